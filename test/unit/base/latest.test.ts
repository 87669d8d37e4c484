import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { Latest } from '../../../src/base/latest.ts';
import { settle } from '../../fakes/fake-clock.ts';

test('a watcher gets the present value at once and skips to the newest after a pause', async () => {
  const cell = new Latest<number>();
  cell.set(1);
  const stop = new AbortController();
  const seen: number[] = [];
  const done = (async () => {
    for await (const value of cell.watch(stop.signal)) {
      seen.push(value);
      if (value === 1) {
        cell.set(2);
        cell.set(3);
      }
    }
  })();
  await settle();
  cell.set(4);
  await settle();
  stop.abort();
  await done;
  assert.deepEqual(seen, [1, 3, 4]);
});

test('a watcher blocks until the first value', async () => {
  const cell = new Latest<string>();
  const first = cell.first((value) => value === 'yes', new AbortController().signal);
  cell.set('no');
  await settle();
  cell.set('yes');
  assert.equal(await first, 'yes');
});

test('an aborted wait ends without a value', async () => {
  const cell = new Latest<string>();
  const stop = new AbortController();
  const first = cell.first(() => true, stop.signal);
  stop.abort();
  assert.equal(await first, undefined);
});

test('watchers that come and go while nothing changes leave nothing behind', async () => {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  const cell = new Latest<number>();
  cell.set(1);
  const comeAndGo = async (times: number) => {
    for (let count = 0; count < times; count += 1) {
      const stop = new AbortController();
      const watch = cell.watch(stop.signal);
      await watch.next();
      const waiting = watch.next();
      stop.abort();
      assert.equal((await waiting).done, true);
    }
    collect();
    return process.memoryUsage().heapUsed;
  };
  const before = await comeAndGo(1000);
  const after = await comeAndGo(20_000);
  assert.ok(after - before < 2_000_000, `${after - before} bytes`);
});
