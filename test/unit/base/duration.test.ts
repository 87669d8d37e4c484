import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseDurationNs, parseDurationSeconds } from '../../../src/base/duration.ts';

const good: readonly [string, bigint][] = [
  ['0', 0n],
  ['1h30m', 5_400_000_000_000n],
  ['1.5s', 1_500_000_000n],
  ['.5s', 500_000_000n],
  ['1.s', 1_000_000_000n],
  ['-1h', -3_600_000_000_000n],
  ['+2m', 120_000_000_000n],
  ['3us', 3_000n],
  ['3µs', 3_000n],
  ['9223372036854775807ns', 9223372036854775807n],
];
for (const [text, ns] of good) {
  test(`duration ${text}`, () => assert.equal(parseDurationNs(text, 'ttl'), ns));
}

for (const text of [
  '',
  '-',
  '1',
  '1d',
  '3600',
  's',
  '.s',
  '1h 30m',
  '1e3s',
  '9223372036854775808ns',
]) {
  test(`"${text}" is refused and the field named`, () =>
    assert.throws(() => parseDurationNs(text, 'spec.ttl'), /spec\.ttl/));
}

test('seconds are cut toward zero', () => {
  assert.equal(parseDurationSeconds('1999ms', 'ttl'), 1);
  assert.equal(parseDurationSeconds('500ms', 'ttl'), 0);
  assert.equal(parseDurationSeconds('-1500ms', 'ttl'), -1);
});
