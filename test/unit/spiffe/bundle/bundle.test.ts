// Bundles out and in: the document's form, what is left out, what is refused.

import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { suite, test } from 'node:test';
import * as fc from 'fast-check';
import { CodedError } from '../../../../src/base/errors.ts';
import type { Bundle } from '../../../../src/spiffe/bundle/bundle.ts';
import {
  formatJwtBundle,
  formatSpiffeBundle,
  formatX509Bundle,
} from '../../../../src/spiffe/bundle/bundle-format.ts';
import { parseSpiffeBundle } from '../../../../src/spiffe/bundle/bundle-parse.ts';
import { splitCertificates } from '../../../../src/spiffe/certificate/certificate.ts';
import { jwkThumbprint, publicJwk } from '../../../../src/spiffe/jwt-svid/jwk.ts';
import { parseTrustDomain } from '../../../../src/spiffe/spiffe-id.ts';
import { TestCa } from '../../../fakes/test-ca.ts';
import {
  authorityExtensions,
  forge,
  leafExtensions,
  party,
} from '../certificate/forged-certificate.ts';

const trustDomain = parseTrustDomain('example.org');
const authority = (keys?: ReturnType<typeof ec>) => {
  const self = party('root', keys);
  return forge(self, self, { extensions: authorityExtensions() });
};
const ec = (namedCurve = 'P-256') => generateKeyPairSync('ec', { namedCurve });
const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 });
const keyEntry = ({ publicKey }: ReturnType<typeof ec>) =>
  [jwkThumbprint(publicJwk(publicKey)), publicKey] as const;
const bundle: Bundle = {
  trustDomain,
  sequence: 1_768_435_200,
  refreshHintSeconds: 300,
  x509Authorities: [authority(), authority(rsa)],
  jwtAuthorities: new Map([keyEntry(ec()), keyEntry(rsa)]),
};
const empty: Bundle = {
  trustDomain,
  sequence: undefined,
  refreshHintSeconds: undefined,
  x509Authorities: [],
  jwtAuthorities: new Map(),
};

type Document = { keys: Record<string, unknown>[]; [member: string]: unknown };
const documentOf = (bytes: Uint8Array) => JSON.parse(Buffer.from(bytes).toString()) as Document;
const parse = (document: unknown) =>
  parseSpiffeBundle(
    Buffer.from(typeof document === 'string' ? document : JSON.stringify(document)),
    trustDomain,
  );
const refused = (rule: RegExp) => (thrown: unknown) =>
  thrown instanceof CodedError && thrown.code === 'invalid-argument' && rule.test(thrown.message);
const valid = documentOf(formatSpiffeBundle(bundle));

suite('the SPIFFE bundle document', () => {
  const [x509Key = {}, x509RsaKey = {}, jwtKey = {}, jwtRsaKey = {}] = valid.keys;
  test('TB-02 TB-04 TB-05 TB-06 its members', () => {
    assert.deepEqual(Object.keys(valid), ['keys', 'spiffe_sequence', 'spiffe_refresh_hint']);
    assert.equal(valid['spiffe_sequence'], 1_768_435_200);
    assert.equal(valid['spiffe_refresh_hint'], 300);
    assert.equal(valid.keys.length, 4);
  });
  test('X5-20 X5-21 X5-22 TB-10 TB-11 TB-12 an X.509 authority', () => {
    assert.deepEqual(Object.keys(x509Key), ['kty', 'crv', 'x', 'y', 'use', 'x5c']);
    assert.deepEqual(Object.keys(x509RsaKey), ['kty', 'n', 'e', 'use', 'x5c']);
    assert.equal(x509Key['use'], 'x509-svid');
    const [der] = bundle.x509Authorities;
    assert.deepEqual(x509Key['x5c'], [Buffer.from(der ?? []).toString('base64')]);
  });
  test('PF-05 TB-09 its keys have the two uses of the SVID documents and no other', () => {
    assert.deepEqual(
      new Set(valid.keys.map((key) => key['use'])),
      new Set(['x509-svid', 'jwt-svid']),
    );
  });
  test('WA-15 WA-27 a key vouches for what its use says and for nothing else', () => {
    const jwtOnly = parse({ ...valid, keys: [jwtKey, jwtRsaKey] }).bundle;
    assert.deepEqual(jwtOnly.x509Authorities, []);
    const x509Only = parse({ ...valid, keys: [x509Key, x509RsaKey] }).bundle;
    assert.equal(x509Only.jwtAuthorities.size, 0);
    assert.deepEqual(documentOf(formatJwtBundle(x509Only)).keys, []);
    assert.equal(formatX509Bundle(jwtOnly).length, 0);
  });
  test('JW-17 TB-10 TB-11 TB-12 a JWT authority', () => {
    assert.deepEqual(Object.keys(jwtKey), ['kty', 'crv', 'x', 'y', 'use', 'kid']);
    assert.deepEqual(Object.keys(jwtRsaKey), ['kty', 'n', 'e', 'use', 'kid']);
    assert.equal(jwtKey['use'], 'jwt-svid');
    assert.equal(jwtKey['kid'], [...bundle.jwtAuthorities.keys()][0]);
  });
  test('PF-06 TB-06 keys is a list even when empty', () => {
    assert.equal(Buffer.from(formatSpiffeBundle(empty)).toString(), '{"keys":[]}');
  });
});

suite('the forms of the Workload API', () => {
  test('X.509: DER one after the other', () => {
    assert.deepEqual(
      splitCertificates(formatX509Bundle(bundle)).map((der) => Buffer.from(der)),
      bundle.x509Authorities.map((der) => Buffer.from(der)),
    );
    assert.equal(formatX509Bundle(empty).length, 0);
  });
  test('JW-18 JWT: the jwt-svid keys alone, with use and kid, and nothing else', () => {
    const document = documentOf(formatJwtBundle(bundle));
    assert.deepEqual(Object.keys(document), ['keys']);
    assert.deepEqual(
      document.keys.map((key) => [key['use'], key['kid']]),
      [...bundle.jwtAuthorities.keys()].map((kid) => ['jwt-svid', kid]),
    );
    assert.equal(Buffer.from(formatJwtBundle(empty)).toString(), '{"keys":[]}');
  });
});

suite('left out, the rest kept', () => {
  const [x509Key = {}, , jwtKey = {}] = valid.keys;
  const leaf = forge(party(''), party('root'), { extensions: leafExtensions() });
  const base64 = (der: Uint8Array) => Buffer.from(der).toString('base64');
  const weak = generateKeyPairSync('rsa', { modulusLength: 1024 });
  const okp = publicKeyOfEd25519();
  const other = new TestCa('other.test').certificate;
  const cases: readonly [name: string, key: unknown, why: RegExp][] = [
    ['TB-07 an unknown use', { ...x509Key, use: 'wit-svid' }, /use "wit-svid" is not known/],
    ['TB-12 use in another case', { ...x509Key, use: 'X509-SVID' }, /is not known/],
    ['TB-12 no use', { ...x509Key, use: undefined }, /use of this type is not known/],
    ['TB-07 an unknown kty', { ...okp, use: 'jwt-svid', kid: 'x' }, /kty is neither/],
    ['X5-24 no x5c', { ...x509Key, x5c: undefined }, /x5c holds no certificate/],
    ['X5-24 an empty x5c', { ...x509Key, x5c: [] }, /x5c holds no certificate/],
    ['X5-24 an x5c that is text', { ...x509Key, x5c: 'AAAA' }, /x5c holds no certificate/],
    ['an x5c in base64url', { ...x509Key, x5c: ['-_-_'] }, /not base64/],
    ['an x5c that is no certificate', { ...x509Key, x5c: ['AAAA'] }, /certificate: /],
    ['X5-22 an x5c that is a leaf', { ...x509Key, x5c: [base64(leaf)] }, /not a CA/],
    ['an x5c of a weak key', { ...x509Key, x5c: [base64(authority(weak))] }, /2048 to 8192/],
    ['TB-18 an x5c of another trust domain', { ...x509Key, x5c: [base64(other)] }, /not of trust/],
    ['JW-17 a JWT key without kid', { ...jwtKey, kid: undefined }, /kid is missing/],
    ['a JWT key that is none', { ...jwtKey, x: 'AAAA' }, /key: /],
    ['text', 'key', /not a JSON object/],
    ['null', null, /not a JSON object/],
  ];
  for (const [name, key, why] of cases) {
    test(name, () => {
      const { bundle, ignored } = parse({ ...valid, keys: [valid.keys[1], key, valid.keys[3]] });
      assert.equal(bundle.x509Authorities.length, 1);
      assert.equal(bundle.jwtAuthorities.size, 1);
      assert.equal(ignored.length, 1);
      assert.match(ignored[0] ?? '', /^keys\[1\]: /);
      assert.match(ignored[0] ?? '', why);
    });
  }
  test('X5-25 all but the first certificate of x5c', () => {
    const x5c = [...(x509Key['x5c'] as string[]), 'AAAA'];
    const { bundle: read, ignored } = parse({ keys: [{ ...x509Key, x5c }] });
    assert.equal(read.x509Authorities.length, 1);
    assert.deepEqual(ignored, []);
  });
  test('TB-01 unknown members', () => {
    const keys = [{ ...x509Key, alg: 'ES256', 'x5t#S256': 'x' }];
    const { bundle: read, ignored } = parse({ ...valid, keys, other: { a: [1] } });
    assert.equal(read.x509Authorities.length, 1);
    assert.deepEqual(ignored, []);
  });
  test('TB-08 X5-26 JW-18 nothing usable is an empty bundle, not an error', () => {
    const { bundle: read } = parse({ keys: [{ kty: 'OKP', use: 'jwt-svid' }] });
    assert.deepEqual(read, { ...empty, jwtAuthorities: new Map() });
  });
  test('TB-02 TB-04 no sequence and no refresh hint', () => {
    const { bundle: read } = parse({ keys: [] });
    assert.equal(read.sequence, undefined);
    assert.equal(read.refreshHintSeconds, undefined);
  });
});

function publicKeyOfEd25519() {
  return generateKeyPairSync('ed25519').publicKey.export({ format: 'jwk' });
}

suite('refused', () => {
  const { keys } = valid;
  const cases: readonly [name: string, document: unknown, rule: RegExp][] = [
    ['no JSON', '', /not JSON/],
    ['a list', [], /not a JSON object/],
    ['TB-06 no keys', {}, /keys is not a list/],
    ['TB-06 PF-06 keys null', { keys: null }, /keys is not a list/],
    ['TB-15 keys twice', '{"keys":[],"keys":[]}', /a name twice/],
    ['TB-15 a member of a key twice', '{"keys":[{"use":"a","use":"x509-svid"}]}', /a name twice/],
    ['JW-17 two keys of one kid', { keys: [keys[2], keys[2]] }, /keys\[1\]: kid repeats/],
    ['TB-05 a refresh hint with a fraction', { keys, spiffe_refresh_hint: 1.5 }, /refresh_hint/],
    ['TB-05 a refresh hint that is text', { keys, spiffe_refresh_hint: '300' }, /refresh_hint/],
    ['TB-05 a negative refresh hint', { keys, spiffe_refresh_hint: -1 }, /refresh_hint/],
    ['TB-03 a sequence beyond a double', { keys, spiffe_sequence: 2 ** 53 }, /spiffe_sequence/],
    ['TB-03 a sequence of minus zero', '{"keys":[],"spiffe_sequence":-0}', /spiffe_sequence/],
    ['TB-03 a sequence that is null', { keys, spiffe_sequence: null }, /spiffe_sequence/],
    ['more than 1 MiB', { keys, filler: 'a'.repeat(1_048_576) }, /exceed 1048576/],
  ];
  for (const [name, document, rule] of cases) {
    test(name, () => assert.throws(() => parse(document), refused(rule)));
  }
});

suite('properties', () => {
  const authorities = Array.from({ length: 4 }, () => authority());
  const keys = [keyEntry(ec()), keyEntry(ec('P-384')), keyEntry(ec('P-521')), keyEntry(rsa)];
  const any: fc.Arbitrary<Bundle> = fc.record({
    trustDomain: fc.constant(trustDomain),
    sequence: fc.option(fc.maxSafeNat(), { nil: undefined }),
    refreshHintSeconds: fc.option(fc.nat(), { nil: undefined }),
    x509Authorities: fc.subarray(authorities),
    jwtAuthorities: fc.subarray(keys).map((entries) => new Map(entries)),
  });
  test('a bundle comes back as it was', () => {
    fc.assert(
      fc.property(any, (given) => {
        const { bundle: read, ignored } = parseSpiffeBundle(formatSpiffeBundle(given), trustDomain);
        assert.deepEqual(ignored, []);
        assert.deepEqual(formatSpiffeBundle(read), formatSpiffeBundle(given));
        assert.deepEqual(
          read.x509Authorities.map((der) => Buffer.from(der)),
          given.x509Authorities.map((der) => Buffer.from(der)),
        );
        assert.deepEqual([...read.jwtAuthorities.keys()], [...given.jwtAuthorities.keys()]);
      }),
      { numRuns: 50 },
    );
  });
  test('a changed byte is refused with a coded error, or read without harm', () => {
    const document = formatSpiffeBundle(bundle);
    fc.assert(
      fc.property(fc.nat(document.length - 1), fc.nat(255), (at, octet) => {
        const mutated = Uint8Array.from(document);
        mutated[at] = octet;
        try {
          parseSpiffeBundle(mutated, trustDomain);
        } catch (thrown) {
          assert.ok(thrown instanceof CodedError);
        }
      }),
      { numRuns: 500 },
    );
  });
});
