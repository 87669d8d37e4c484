import assert from 'node:assert/strict';
import { test } from 'node:test';
import { backoffMs } from '../../../src/base/backoff.ts';

const exact = (random: number) => ({ initialMs: 100, maxMs: 1000, random: () => random });

test('the step doubles until it reaches the greatest, and stays there', () => {
  const steps = [0, 1, 2, 3, 4, 31, 5000].map((attempt) => backoffMs(attempt, exact(1)));
  assert.deepEqual(steps, [100, 200, 400, 800, 1000, 1000, 1000]);
});

test('a delay lies between half the step and the step', () => {
  assert.equal(backoffMs(1, exact(0)), 100);
  assert.equal(backoffMs(1, exact(0.5)), 150);
  const delays = Array.from({ length: 100 }, () => backoffMs(1, { initialMs: 100, maxMs: 1000 }));
  assert.ok(delays.every((delay) => delay >= 100 && delay <= 200));
  assert.ok(new Set(delays).size > 10, 'those who failed together do not come back together');
});
