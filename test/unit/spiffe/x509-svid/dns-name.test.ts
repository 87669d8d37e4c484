// Which DNS names an X.509-SVID may carry.

import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { CodedError } from '../../../../src/base/errors.ts';
import { checkDnsName, checkDnsNames } from '../../../../src/spiffe/x509-svid/dns-name.ts';

const refused = (thrown: unknown) =>
  thrown instanceof CodedError &&
  thrown.code === 'invalid-argument' &&
  thrown.message.startsWith('DNS name: ');
const longest = `${'a'.repeat(63)}.${'b'.repeat(63)}.${'c'.repeat(63)}.${'d'.repeat(61)}`;

suite('A4 accepted', () => {
  const names = ['a', 'svc.ns.svc', 'a_b.test', '*.a.test', 'A.test', '1a.test', 'a-b.c1', longest];
  for (const name of names) test(name, () => checkDnsName(name));
});

suite('A4 refused', () => {
  const names = [
    '',
    'a b',
    '<no value>.test',
    '10.0.0.1',
    'a.1',
    'a.test.',
    '.a',
    'a..b',
    '-a.test',
    'a-.test',
    '*',
    '*.',
    'a.*.test',
    'a*.test',
    'ä.test',
    'a.test\n',
    'a/b',
    `${'a'.repeat(64)}.test`,
    `${longest}d`,
  ];
  for (const name of names) {
    test(JSON.stringify(name), () => assert.throws(() => checkDnsName(name), refused));
  }
  test('the same name in another case', () => {
    assert.throws(() => checkDnsNames(['a.test', 'b.test', 'A.test']), refused);
  });
});
