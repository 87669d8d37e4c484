// Validity dates: two forms, one border (RFC 5280 §4.1.2.5).

import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import * as fc from 'fast-check';
import { CodedError } from '../../../../src/base/errors.ts';
import { DerReader } from '../../../../src/spiffe/der/der-reader.ts';
import { encodeTime, readTime } from '../../../../src/spiffe/der/der-time.ts';
import { asciiText, encodeDer } from '../../../../src/spiffe/der/der-writer.ts';

const UTC_TIME = 0x17;
const GENERALIZED_TIME = 0x18;
const refused = (thrown: unknown) =>
  thrown instanceof CodedError && thrown.code === 'invalid-argument';
const read = (der: Uint8Array) => readTime(new DerReader(der, 'field'), 'notAfter');
const written = (iso: string) => {
  const der = encodeDer(encodeTime(Date.parse(iso)));
  return [der[0], Buffer.from(der.subarray(2)).toString('latin1')];
};

test('UTCTime through 2049, GeneralizedTime from 2050', () => {
  assert.deepEqual(written('1950-01-01T00:00:00Z'), [UTC_TIME, '500101000000Z']);
  assert.deepEqual(written('1999-12-31T23:59:59Z'), [UTC_TIME, '991231235959Z']);
  assert.deepEqual(written('2049-12-31T23:59:59Z'), [UTC_TIME, '491231235959Z']);
  assert.deepEqual(written('2050-01-01T00:00:00Z'), [GENERALIZED_TIME, '20500101000000Z']);
  assert.deepEqual(written('9999-12-31T23:59:59Z'), [GENERALIZED_TIME, '99991231235959Z']);
});

test('parts of a second are cut off', () => {
  assert.deepEqual(written('2026-01-02T03:04:05.999Z'), [UTC_TIME, '260102030405Z']);
});

test('years that have no form are refused', () => {
  for (const ms of [Date.UTC(1949, 11, 31), Date.UTC(10_000, 0), Number.NaN, Infinity]) {
    assert.throws(() => encodeTime(ms), refused);
  }
});

suite('refused when read', () => {
  const cases: readonly [name: string, tag: number, text: string][] = [
    ['no seconds', UTC_TIME, '2601020304Z'],
    ['no zone', UTC_TIME, '260102030405'],
    ['an offset', UTC_TIME, '260102030405+0000'],
    ['a fraction', GENERALIZED_TIME, '20260102030405.5Z'],
    ['month 13', UTC_TIME, '261302030405Z'],
    ['day 0', UTC_TIME, '260100030405Z'],
    ['30 February', UTC_TIME, '260230030405Z'],
    ['29 February of no leap year', UTC_TIME, '270229030405Z'],
    ['hour 24', UTC_TIME, '260102240000Z'],
    ['second 60', UTC_TIME, '260102030460Z'],
    ['a letter', UTC_TIME, '26010203040aZ'],
    ['a sign', UTC_TIME, '26010203+405Z'],
    ['year 0000', GENERALIZED_TIME, '00000102030405Z'],
    ['no text', UTC_TIME, ''],
  ];
  for (const [name, tag, text] of cases) {
    test(name, () => assert.throws(() => read(encodeDer(asciiText(tag, text, 'time'))), refused));
  }
  test('another tag', () => {
    assert.throws(() => read(encodeDer(asciiText(0x13, '260102030405Z', 'time'))), refused);
  });
});

test('any second of the years 1950 to 9999 comes back', () => {
  const border = Date.UTC(2050, 0) / 1000;
  const second = fc.oneof(
    fc.integer({ min: Date.UTC(1950, 0) / 1000, max: Date.UTC(9999, 11, 31) / 1000 }),
    fc.integer({ min: border - 100_000, max: border + 100_000 }),
  );
  fc.assert(
    fc.property(second, (seconds) => {
      assert.equal(read(encodeDer(encodeTime(seconds * 1000))), seconds * 1000);
    }),
    { numRuns: 500 },
  );
});
