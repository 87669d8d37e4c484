// Times as the API server takes them in a field of format date-time.

import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { rfc3339Time } from '../../../src/crds/rfc3339.ts';

suite('rfc3339Time', () => {
  const rows: readonly [string, string | undefined][] = [
    ['2026-01-31T12:00:00Z', '2026-01-31T12:00:00.000Z'],
    ['2026-01-31t12:00:00z', '2026-01-31T12:00:00.000Z'],
    ['2026-01-31T12:00:00.123+01:00', '2026-01-31T11:00:00.123Z'],
    ['2028-02-29T00:00:00Z', '2028-02-29T00:00:00.000Z'],
    ['0000-01-01T00:00:00Z', '0000-01-01T00:00:00.000Z'],
    ['2026-02-29T00:00:00Z', undefined],
    ['2026-02-30T12:00:00Z', undefined],
    ['2026-13-01T12:00:00Z', undefined],
    ['2026-00-01T12:00:00Z', undefined],
    ['2026-01-31T24:00:00Z', undefined],
    ['2026-01-31T12:00:60Z', undefined],
    ['2026-01-31T12:00:00', undefined],
    ['2026-01-31T12:00Z', undefined],
    ['2026-01-31T12:00:00+0100', undefined],
    ['2026-01-31T12:00:00+25:00', undefined],
    ['2026-01-31', undefined],
    ['02026-01-31T12:00:00Z', undefined],
    [' 2026-01-31T12:00:00Z', undefined],
    ['2026-01-31T12:00:00Z\n', undefined],
    ['', undefined],
  ];
  for (const [text, expected] of rows) {
    test(JSON.stringify(text), () => {
      const time = rfc3339Time(text);
      assert.equal(time === undefined ? undefined : new Date(time).toISOString(), expected);
    });
  }
});
