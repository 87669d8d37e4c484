import assert from 'node:assert/strict';
import { beforeEach, test } from 'node:test';
import { ApiAnswers } from '../../../src/kube/api-answers.ts';
import { FakeClock } from '../../fakes/fake-clock.ts';

const SECOND = 1000;
let clock: FakeClock;
let answers: ApiAnswers;
let start: number;

beforeEach(() => {
  clock = new FakeClock();
  answers = new ApiAnswers(clock);
  start = clock.now();
});

/** Answers every second. */
async function answering(seconds: number): Promise<void> {
  for (let i = 0; i < seconds; i += 1) {
    await clock.advance(SECOND);
    answers.answered();
  }
}

/** Asked every second, and no answer. */
async function away(seconds: number): Promise<void> {
  for (let i = 0; i < seconds; i += 1) {
    await clock.advance(SECOND);
    answers.failed();
  }
}

test('an API server that was not asked, or never answered, is not known to be away', async () => {
  await clock.advance(60 * SECOND);
  assert.equal(answers.since(start), 60 * SECOND);
  await away(60);
  assert.equal(answers.since(start), 120 * SECOND);
  assert.equal(answers.lastAt, Number.NEGATIVE_INFINITY);
});

test('F-12: time without answers does not count, during it and afterwards', async () => {
  await answering(20);
  await away(60);
  assert.equal(answers.since(start), 20 * SECOND);
  await answering(1);
  // From the last answer before to the first one after.
  assert.equal(answers.since(start), 20 * SECOND);
  await answering(30);
  assert.equal(answers.since(start), 50 * SECOND);
  assert.equal(answers.since(start + 50 * SECOND), 30 * SECOND);
  assert.equal(answers.since(clock.now()), 0);
});

test('several outages are each left out', async () => {
  for (let i = 0; i < 3; i += 1) {
    await answering(5);
    await away(14);
    await answering(1);
  }
  assert.equal(answers.since(start), 15 * SECOND);
});

test('answers that are missing now and then are no outage', async () => {
  for (let i = 0; i < 50; i += 1) {
    await answering(1);
    await away(3);
  }
  await answering(1);
  assert.equal(answers.since(start), 201 * SECOND);
});

test('a time when nobody asked is no outage', async () => {
  await answering(1);
  await clock.advance(60 * SECOND);
  answers.answered();
  assert.equal(answers.since(start), 61 * SECOND);
});

test('of more outages than are kept the oldest count as answered', async () => {
  for (let i = 0; i < 100; i += 1) {
    await away(10);
    await answering(1);
  }
  const all = 100 * 11 * SECOND;
  const counted = answers.since(start);
  assert.ok(counted > all / 2 && counted < all, `${counted} ms`);
});

test('a clock that was set back forgives no outage twice', async () => {
  await answering(10);
  await away(60);
  await answering(10);
  clock.jump(-65 * SECOND);
  await answering(1);
  await away(30);
  await answering(1);
  // Of 32 s by the new time, the 31 that were an outage.
  assert.equal(answers.since(clock.now() - 32 * SECOND), SECOND);
});
