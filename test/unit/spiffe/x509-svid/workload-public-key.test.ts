// Which public keys are taken: one form a type, and only points and moduli that can be keys.

import assert from 'node:assert/strict';
import { ECDH, generateKeyPairSync, type KeyObject } from 'node:crypto';
import { suite, test } from 'node:test';
import * as fc from 'fast-check';
import { CodedError } from '../../../../src/base/errors.ts';
import { isOnCurve, P256, P384 } from '../../../../src/spiffe/x509-svid/prime-curve.ts';
import { parseWorkloadPublicKey } from '../../../../src/spiffe/x509-svid/workload-public-key.ts';

const spkiOf = (key: KeyObject) => new Uint8Array(key.export({ type: 'spki', format: 'der' }));
const ecKey = (curve: string) => spkiOf(generateKeyPairSync('ec', { namedCurve: curve }).publicKey);
const rsaKey = (bits: number, exponent = 65_537) =>
  spkiOf(generateKeyPairSync('rsa', { modulusLength: bits, publicExponent: exponent }).publicKey);
const refused = (thrown: unknown) =>
  thrown instanceof CodedError &&
  thrown.code === 'invalid-argument' &&
  thrown.message.startsWith('public key: ');

const p256 = ecKey('P-256');
const p384 = ecKey('P-384');
const rsa2048 = rsaKey(2048);
const point = p256.subarray(26);

suite('accepted', () => {
  test('a P-256 point becomes its SubjectPublicKeyInfo', () => {
    const key = parseWorkloadPublicKey(point);
    assert.deepEqual(Buffer.from(key.spki), Buffer.from(p256));
    assert.deepEqual(key.key, point);
    assert.equal(key.type, 'ec');
  });
  test('P-384', () => {
    const key = parseWorkloadPublicKey(p384);
    assert.deepEqual(key.spki, p384);
    assert.deepEqual(key.key, p384.subarray(23));
    assert.equal(key.type, 'ec');
  });
  for (const spki of [rsa2048, rsaKey(3072), rsaKey(4096)]) {
    test(`RSA, ${spki.length} octets`, () => {
      const key = parseWorkloadPublicKey(spki);
      assert.deepEqual(key.spki, spki);
      assert.deepEqual(key.key, spki.subarray(24));
      assert.equal(key.type, 'rsa');
    });
  }
});

suite('refused', () => {
  const changed = (bytes: Uint8Array, at: number, to: (octet: number) => number) => {
    const copy = Uint8Array.from(bytes);
    copy[at] = to(copy[at] ?? 0);
    return copy;
  };
  const compressed = ECDH.convertKey(point, 'prime256v1', undefined, undefined, 'compressed');
  const hybrid = ECDH.convertKey(point, 'prime256v1', undefined, undefined, 'hybrid');
  const cases: readonly [name: string, bytes: Uint8Array][] = [
    ['nothing', new Uint8Array(0)],
    ['infinity', Uint8Array.of(0)],
    ['65 zeros', new Uint8Array(65)],
    ['a point off the curve', changed(point, 64, (octet) => octet ^ 1)],
    ['a compressed point', new Uint8Array(compressed as Buffer)],
    ['a hybrid point', new Uint8Array(hybrid as Buffer)],
    ['the SPKI of a P-256 key, which has a shorter form', p256],
    ['a P-384 point off the curve', changed(p384, p384.length - 1, (octet) => octet ^ 1)],
    ['P-521', ecKey('P-521')],
    ['secp256k1', ecKey('secp256k1')],
    ['Ed25519', spkiOf(generateKeyPairSync('ed25519').publicKey)],
    ['RSA 1024', rsaKey(1024)],
    ['RSA with exponent 3', rsaKey(2048, 3)],
    ['RSA with exponent 65539', changed(rsa2048, rsa2048.length - 1, (octet) => octet | 2)],
    ['an even RSA modulus', changed(rsa2048, rsa2048.length - 6, (octet) => octet & 0xfe)],
    ['a short RSA modulus', changed(rsa2048, 33, (octet) => octet & 0x7f)],
    ['an SPKI with a byte more', Buffer.concat([p384, Uint8Array.of(0)])],
    ['an SPKI with other parameters', changed(rsa2048, 18, (octet) => octet ^ 1)],
  ];
  for (const [name, bytes] of cases) {
    test(name, () => assert.throws(() => parseWorkloadPublicKey(bytes), refused));
  }
});

test('coordinates of the field prime or more are refused, though the equation holds modulo it', () => {
  // x = 0 has a y on both curves; x = p is the same number written differently.
  for (const [curve, name] of [
    [P256, 'prime256v1'],
    [P384, 'secp384r1'],
  ] as const) {
    const compressed = Buffer.alloc(1 + curve.octets);
    compressed[0] = 2;
    const onCurve = ECDH.convertKey(compressed, name) as Buffer;
    assert.equal(isOnCurve(onCurve, curve), true);
    const beyond = Buffer.from(onCurve);
    beyond.write(curve.p.toString(16), 1, 'hex');
    assert.equal(isOnCurve(beyond, curve), false);
  }
});

test('the equation agrees with OpenSSL about any point', () => {
  const opensslTakes = (bytes: Uint8Array, name: string) => {
    try {
      ECDH.convertKey(bytes, name);
      return true;
    } catch {
      return false;
    }
  };
  const points = fc.oneof(
    fc.constantFrom('P-256', 'P-384').map((curve) => {
      const spki = ecKey(curve);
      return spki.subarray(curve === 'P-256' ? 26 : 23);
    }),
    fc.uint8Array({ minLength: 64, maxLength: 64 }).map((xy) => Uint8Array.of(4, ...xy)),
    fc.uint8Array({ minLength: 96, maxLength: 96 }).map((xy) => Uint8Array.of(4, ...xy)),
  );
  fc.assert(
    fc.property(points, fc.option(fc.nat()), (bytes, flip) => {
      const candidate = Uint8Array.from(bytes);
      if (flip !== null) {
        const at = 1 + (flip % (candidate.length - 1));
        candidate[at] = (candidate[at] ?? 0) ^ 0x10;
      }
      const [curve, name] =
        candidate.length === 65 ? ([P256, 'prime256v1'] as const) : ([P384, 'secp384r1'] as const);
      assert.equal(isOnCurve(candidate, curve), opensslTakes(candidate, name));
    }),
    { numRuns: 300 },
  );
});
