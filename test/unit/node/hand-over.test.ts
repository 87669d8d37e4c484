import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Latest } from '../../../src/base/latest.ts';
import { untilReady } from '../../../src/node/hand-over.ts';
import { PENDING, type PodAnswer, UNKNOWN } from '../../../src/node/svid/pod-answer.ts';
import { FakeClock } from '../../fakes/fake-clock.ts';

const REFUSED: PodAnswer = { kind: 'refused', reason: 'NoPolicy' };
const SERVED = { kind: 'served', identities: [], federated: [] } as unknown as PodAnswer;

function cell(answer: PodAnswer): Latest<PodAnswer> {
  const made = new Latest<PodAnswer>();
  made.set(answer);
  return made;
}

function waiting(answers: readonly Latest<PodAnswer>[]) {
  const clock = new FakeClock();
  const synced = new Latest<true>();
  const stop = new AbortController();
  let isReady = false;
  const done = untilReady({ synced, answers: () => answers, clock }, stop.signal).finally(() => {
    isReady = true;
  });
  return { clock, synced, stop, done, isReady: () => isReady };
}

test('ready is when the view is whole and every pod is served or refused', async () => {
  const [first, second] = [cell(UNKNOWN), cell(REFUSED)];
  const { clock, synced, done, isReady } = waiting([first, second]);
  first.set(SERVED);
  await clock.advance(600_000);
  assert.equal(isReady(), false, 'what the issuer knows is not known');
  first.set(PENDING);
  synced.set(true);
  await clock.advance(29_000);
  assert.equal(isReady(), false, 'an SVID is missing');
  first.set(SERVED);
  await done;
});

test('pods that cannot be signed for hold it up for 30 seconds', async () => {
  const { clock, synced, done, isReady } = waiting([cell(PENDING), cell(SERVED)]);
  synced.set(true);
  await clock.advance(29_999);
  assert.equal(isReady(), false);
  await clock.advance(1);
  await done;
});

test('it ends with its signal, with or without a view', async () => {
  for (const hasView of [false, true]) {
    const { synced, stop, done } = waiting([cell(PENDING)]);
    if (hasView) synced.set(true);
    stop.abort();
    await done;
  }
});
