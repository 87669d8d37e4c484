import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isViewFresh } from '../../../src/cluster-view/view-freshness.ts';

const SECOND = 1000;
const MINUTE = 60 * SECOND;

// [seconds since progress, seconds since an answer, fresh]
const CASES = [
  ['just now', 0, 0, true],
  ['a bookmark ago', 60, 0, true],
  ['stalled while the API server answers', 90, 5, false],
  ['stalled, the last answer not long ago', 100, 89, false],
  ['F-12: the API server is down', 100, 100, true],
  ['F-12: down for nearly as long as it may be', 15 * 60 - 1, 15 * 60 - 1, true],
  ['F-12: down for too long', 15 * 60, 15 * 60, false],
  ['F-12: it answers again, and the watches are not back', 300, 0, false],
  ['a clock that was set back', -1, 0, false],
] as const;
for (const [what, progress, answered, expected] of CASES) {
  test(`${what}: ${expected ? 'fresh' : 'not fresh'}`, () => {
    const now = Date.UTC(2026, 0, 1);
    const age = {
      now,
      progressAt: now - progress * SECOND,
      answeredAt: now - answered * SECOND,
      maxStalenessMs: 15 * MINUTE,
    };
    assert.equal(isViewFresh(age), expected);
  });
}

test('what was never seen is not fresh', () => {
  const never = Number.NEGATIVE_INFINITY;
  const age = { now: 0, progressAt: never, answeredAt: never, maxStalenessMs: 15 * MINUTE };
  assert.equal(isViewFresh(age), false);
});
