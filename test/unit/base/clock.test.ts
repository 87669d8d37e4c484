import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Clock, MAX_UNCHECKED_SLEEP_MS, sleepUntil } from '../../../src/base/clock.ts';
import { FakeClock, settle } from '../../fakes/fake-clock.ts';

const NEVER = new AbortController().signal;

function watched(clock: Clock, at: number, signal: AbortSignal = NEVER) {
  const state = { over: false, slept: [] as number[] };
  const recording: Clock = {
    now: () => clock.now(),
    sleep: async (ms, signal_) => {
      state.slept.push(ms);
      await clock.sleep(ms, signal_);
    },
  };
  void sleepUntil(recording, at, signal).then(() => {
    state.over = true;
  });
  return state;
}

test('sleepUntil ends at the time, not before, and never sleeps unchecked for long', async () => {
  const clock = new FakeClock();
  const wait = watched(clock, clock.now() + 70_000);
  await clock.advance(69_999);
  assert.equal(wait.over, false);
  await clock.advance(1);
  assert.equal(wait.over, true);
  assert.deepEqual(wait.slept, [MAX_UNCHECKED_SLEEP_MS, MAX_UNCHECKED_SLEEP_MS, 10_000]);
});

test('sleepUntil ends at once for a time that is past', async () => {
  const clock = new FakeClock();
  const wait = watched(clock, clock.now());
  await settle();
  assert.equal(wait.over, true);
  assert.deepEqual(wait.slept, []);
});

test('sleepUntil ends soon after the clock jumped past the time', async () => {
  const clock = new FakeClock();
  const wait = watched(clock, clock.now() + 5 * 3_600_000);
  await settle();
  clock.jump(6 * 3_600_000);
  await clock.advance(MAX_UNCHECKED_SLEEP_MS);
  assert.equal(wait.over, true);
});

test('sleepUntil goes on waiting after the clock was set back', async () => {
  const clock = new FakeClock();
  const at = clock.now() + 20_000;
  const wait = watched(clock, at);
  await settle();
  clock.jump(-60_000);
  await clock.advance(20_000);
  assert.equal(wait.over, false);
  await clock.advance(60_000);
  assert.equal(wait.over, true);
  assert.equal(clock.now(), at);
});

test('sleepUntil ends when it is aborted, before or while it sleeps', async () => {
  const clock = new FakeClock();
  const stop = new AbortController();
  const wait = watched(clock, clock.now() + 20_000, stop.signal);
  await settle();
  assert.equal(wait.over, false);
  stop.abort();
  await settle();
  assert.equal(wait.over, true);
  const late = watched(clock, clock.now() + 20_000, stop.signal);
  await settle();
  assert.equal(late.over, true);
  assert.deepEqual(late.slept, []);
});
