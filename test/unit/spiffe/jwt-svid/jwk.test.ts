// Public keys as JWKs, and their thumbprints.

import assert from 'node:assert/strict';
import { createPublicKey, generateKeyPairSync } from 'node:crypto';
import { suite, test } from 'node:test';
import { calculateJwkThumbprint } from 'jose';
import { CodedError } from '../../../../src/base/errors.ts';
import { importJwk, jwkThumbprint, publicJwk } from '../../../../src/spiffe/jwt-svid/jwk.ts';
import type { JsonValue } from '../../../../src/spiffe/strict-json.ts';

const ec = (namedCurve: string) => generateKeyPairSync('ec', { namedCurve });
const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 });
const refused = (rule: RegExp) => (thrown: unknown) =>
  thrown instanceof CodedError && thrown.code === 'invalid-argument' && rule.test(thrown.message);

test('RFC 7638 §3.1: the thumbprint of its example', () => {
  const n =
    '0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw';
  const key = createPublicKey({ key: { kty: 'RSA', n, e: 'AQAB' }, format: 'jwk' });
  assert.equal(jwkThumbprint(publicJwk(key)), 'NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs');
});

suite('every kind of key', () => {
  for (const { publicKey, privateKey } of [ec('P-256'), ec('P-384'), ec('P-521'), rsa]) {
    const { namedCurve = 'RSA' } = publicKey.asymmetricKeyDetails ?? {};
    test(namedCurve, async () => {
      const jwk = publicJwk(publicKey);
      assert.deepEqual(publicJwk(privateKey), jwk);
      assert.equal(jwkThumbprint(jwk), await calculateJwkThumbprint(jwk));
      const imported = importJwk(new Map(Object.entries(jwk)));
      assert.equal(imported.equals(publicKey), true);
    });
  }
  test('Ed25519 has no form here', () => {
    assert.throws(() => publicJwk(generateKeyPairSync('ed25519').publicKey), refused(/OKP/));
  });
});

suite('refused', () => {
  const valid = Object.entries(publicJwk(ec('P-256').publicKey));
  const small = publicJwk(generateKeyPairSync('rsa', { modulusLength: 1024 }).publicKey);
  const cases: readonly [name: string, members: readonly [string, JsonValue][], rule: RegExp][] = [
    ['no kty', [['kty', null]], /kty/],
    ['OKP', [['kty', 'OKP']], /kty/],
    [
      'oct',
      [
        ['kty', 'oct'],
        ['k', 'AAAA'],
      ],
      /kty/,
    ],
    ['secp256k1', [['crv', 'secp256k1']], /key: /],
    ['a number for x', [['x', 1]], /x is not a string/],
    ['a point off the curve', [['y', Buffer.alloc(32, 1).toString('base64url')]], /key: /],
    ['RSA without n', [['kty', 'RSA']], /n is not a string/],
    [
      'RSA of 8208 bits',
      [
        ['kty', 'RSA'],
        ['n', Buffer.alloc(1026, 0xff).toString('base64url')],
        ['e', 'AQAB'],
      ],
      /to 8192 bits/,
    ],
    ['RSA of 1024 bits', Object.entries(small), /RSA of 2048/],
  ];
  for (const [name, members, rule] of cases) {
    test(name, () => {
      const jwk = new Map<string, JsonValue>([...valid, ...members]);
      assert.throws(() => importJwk(jwk), refused(rule));
    });
  }
});
