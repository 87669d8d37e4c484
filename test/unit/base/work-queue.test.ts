import assert from 'node:assert/strict';
import { test } from 'node:test';
import { WorkQueue } from '../../../src/base/work-queue.ts';
import { FakeClock, settle } from '../../fakes/fake-clock.ts';

function queueWith(clock: FakeClock, errors: string[] = []) {
  return new WorkQueue({
    clock,
    backoff: { initialMs: 100, maxMs: 1000, random: () => 0.999 },
    onError: (key) => errors.push(key),
  });
}

test('a key added twice before it runs is worked on once', async () => {
  const queue = queueWith(new FakeClock());
  const seen: string[] = [];
  const stop = new AbortController();
  queue.add('a');
  queue.add('a');
  queue.add('b');
  const done = queue.run(async (key) => {
    seen.push(key);
    return undefined;
  }, stop.signal);
  await settle();
  stop.abort();
  await done;
  assert.deepEqual(seen, ['a', 'b']);
});

test('a key added while it is worked on runs once more afterwards, never beside itself', async () => {
  const queue = queueWith(new FakeClock());
  const stop = new AbortController();
  let inside = 0;
  let runs = 0;
  const done = queue.run(async () => {
    assert.equal(inside, 0);
    inside += 1;
    runs += 1;
    if (runs === 1) {
      queue.add('a');
      queue.add('a');
    }
    await settle();
    inside -= 1;
    return undefined;
  }, stop.signal);
  queue.add('a');
  await settle();
  await settle();
  await settle();
  stop.abort();
  await done;
  assert.equal(runs, 2);
});

test('a failing key is retried with back-off and told to onError', async () => {
  const clock = new FakeClock();
  const errors: string[] = [];
  const queue = queueWith(clock, errors);
  const stop = new AbortController();
  let runs = 0;
  const done = queue.run(async () => {
    runs += 1;
    if (runs < 3) throw new Error('not yet');
    return undefined;
  }, stop.signal);
  queue.add('a');
  await clock.advance(99);
  assert.equal(runs, 1);
  await clock.advance(1);
  assert.equal(runs, 2);
  await clock.advance(200);
  assert.equal(runs, 3);
  await clock.advance(10_000);
  assert.equal(runs, 3);
  assert.deepEqual(errors, ['a', 'a']);
  stop.abort();
  await done;
});

test('of two delayed looks the earlier stands, and an immediate one drops both', async () => {
  const clock = new FakeClock();
  const queue = queueWith(clock);
  const stop = new AbortController();
  const at: number[] = [];
  const start = clock.now();
  const done = queue.run(async () => {
    at.push(clock.now() - start);
    return undefined;
  }, stop.signal);
  queue.addAfter('a', 500);
  queue.addAfter('a', 200);
  await clock.advance(1000);
  queue.addAfter('a', 500);
  queue.add('a');
  await clock.advance(1000);
  stop.abort();
  await done;
  assert.deepEqual(at, [200, 1000]);
});

test('ensure leaves a key alone that is worked on or waits out its back-off, and asks for any other', async () => {
  const clock = new FakeClock();
  const queue = queueWith(clock);
  const stop = new AbortController();
  const start = clock.now();
  const at: number[] = [];
  const done = queue.run(async () => {
    at.push(clock.now() - start);
    queue.ensure('a');
    if (at.length === 1) throw new Error('not yet');
    return undefined;
  }, stop.signal);
  queue.ensure('a');
  await clock.advance(50);
  queue.ensure('a');
  await clock.advance(50);
  assert.deepEqual(
    at,
    [0, 100],
    'the back-off was waited out, and nothing came of the doubled asks',
  );
  queue.ensure('a');
  await settle();
  assert.deepEqual(at, [0, 100, 100]);
  stop.abort();
  await done;
});

test('a worker that fails while the queue is stopped leaves no timer behind', async () => {
  const waits: AbortSignal[] = [];
  const clock = {
    now: () => 0,
    sleep: async (_: number, signal: AbortSignal) => {
      waits.push(signal);
      await new Promise<void>((resolve) => {
        signal.addEventListener('abort', () => resolve(), { once: true });
      });
    },
  };
  const queue = new WorkQueue({ clock, onError: () => {} });
  const stop = new AbortController();
  const begun = Promise.withResolvers<void>();
  const fail = Promise.withResolvers<undefined>();
  queue.add('a');
  const done = queue.run(async () => {
    begun.resolve();
    return await fail.promise;
  }, stop.signal);
  await begun.promise;
  stop.abort();
  await settle();
  fail.reject(new Error('stopped'));
  await done;
  assert.equal(waits.length, 1);
  assert.equal(waits[0]?.aborted, true);
});
