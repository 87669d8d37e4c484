import assert from 'node:assert/strict';
import { test } from 'node:test';
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
