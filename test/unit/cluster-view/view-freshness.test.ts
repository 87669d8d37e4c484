import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isViewFresh } from '../../../src/cluster-view/view-freshness.ts';

const SECOND = 1000;
const MINUTE = 60 * SECOND;

// [seconds since progress, seconds of them in which the API server answered, fresh]
const CASES = [
  ['just now', 0, 0, true],
  ['a bookmark ago', 60, 60, true],
  ['stalled while the API server answers', 90, 90, false],
  ['stalled, and the API server went away', 200, 90, false],
  ['F-12: the API server is down, and had answered a while without a word', 100, 70, true],
  ['F-12: down for nearly as long as it may be', 15 * 60 - 1, 0, true],
  ['F-12: down for too long', 15 * 60, 0, false],
  ['F-12: it answers again, and the watches have not had their time yet', 300, 89, true],
  ['F-12: it answers again, and the watches are not back in time', 300, 90, false],
  ['a clock that was set back', -1, 0, false],
] as const;
for (const [what, progress, answered, expected] of CASES) {
  test(`${what}: ${expected ? 'fresh' : 'not fresh'}`, () => {
    const now = Date.UTC(2026, 0, 1);
    const age = {
      now,
      progressAt: now - progress * SECOND,
      answeredMs: answered * SECOND,
      maxStalenessMs: 15 * MINUTE,
    };
    assert.equal(isViewFresh(age), expected);
  });
}

test('what was never seen is not fresh', () => {
  const never = Number.NEGATIVE_INFINITY;
  const age = { now: 0, progressAt: never, answeredMs: 0, maxStalenessMs: 15 * MINUTE };
  assert.equal(isViewFresh(age), false);
});
