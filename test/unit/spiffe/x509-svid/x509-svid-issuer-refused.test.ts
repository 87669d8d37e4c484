// Every request that must not be signed, and every authority that must not sign.

import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { CodedError } from '../../../../src/base/errors.ts';
import { createRootAuthority } from '../../../../src/spiffe/authority/x509-authority.ts';
import type { Der } from '../../../../src/spiffe/der/der-writer.ts';
import type { SpiffeId } from '../../../../src/spiffe/spiffe-id.ts';
import {
  X509SvidIssuer,
  type X509SvidRequest,
} from '../../../../src/spiffe/x509-svid/x509-svid-issuer.ts';
import { HOUR, intermediate, root, trustDomain } from '../authority/issuing-authority.ts';
import {
  authorityExtensions,
  forge,
  NOW,
  newKeys,
  party,
  pointOf,
  subjectAltName,
  uri,
} from '../certificate/forged-certificate.ts';
import { issue, issuer, valid } from './issuer-fixtures.ts';

const refused = (rule: RegExp) => (thrown: unknown) =>
  thrown instanceof CodedError && thrown.code === 'invalid-argument' && rule.test(thrown.message);

suite('refused', () => {
  const unchecked = (text: string) => text as SpiffeId;
  const cases: readonly [name: string, change: Partial<X509SvidRequest>, rule: RegExp][] = [
    ['X5-03 no path', { spiffeId: unchecked('spiffe://example.org') }, /must have a path/],
    ['another trust domain', { spiffeId: unchecked('spiffe://example.com/a') }, /trust domain/],
    ['a reserved path', { spiffeId: unchecked('spiffe://example.org/spire/a') }, /reserved/],
    ['an ID that nobody parsed', { spiffeId: unchecked('spiffe://example.org/į') }, /U\+012F/],
    ['X5-29 after the authority', { notAfter: NOW + 49 * HOUR }, /later than/],
    ['an end before the start', { notAfter: NOW - 60_000 }, /not after notBefore/],
    ['no date', { notAfter: Number.NaN }, /not after notBefore/],
    ['a start before 1950', { notBefore: Date.UTC(1949, 0) }, /1950/],
    ['a point off the curve', { publicKey: new Uint8Array(65).fill(4) }, /public key/],
    ['33 DNS names', { dnsNames: Array.from({ length: 33 }, (_, i) => `a${i}`) }, /33 exceed 32/],
    ['a DNS name that is an address', { dnsNames: ['10.0.0.1'] }, /address/],
    ['a DNS name twice', { dnsNames: ['a.test', 'A.test'] }, /twice/],
    ['a common name of 65', { commonName: 'a'.repeat(65) }, /65 characters exceed 64/],
    ['a common name of another script', { commonName: 'agėnt' }, /subject: character at offset 2/],
    [
      'a certificate over 8 KiB',
      {
        dnsNames: Array.from({ length: 32 }, (_, i) => `a${i}.${`${'b'.repeat(60)}.`.repeat(4)}c`),
      },
      /exceed 8192/,
    ],
  ];
  for (const [name, change, rule] of cases) {
    test(name, () => assert.throws(() => issue(change), refused(rule)));
  }
});

test('names that change between encoding and the last look are not signed', () => {
  let reads = 0;
  const dnsNames = Object.defineProperty(['a.test'], 0, {
    get: () => {
      reads += 1;
      return reads > 2 ? 'b.test' : 'a.test';
    },
  });
  assert.throws(
    () => issue({ dnsNames }),
    (thrown) => thrown instanceof CodedError && /DNS names is not as asked/.test(thrown.message),
  );
});

suite('an authority that cannot issue', () => {
  const build = (change: object) => () =>
    new X509SvidIssuer({ trustDomain, ...intermediate, ...change });
  const forged = party('forged');
  const withExtensions = (extensions: readonly Der[]) => ({
    certificateDer: forge(forged, forged, { extensions }),
    privateKey: forged.privateKey,
  });
  const none = new Uint8Array(0);
  const [constraints = none, usage = none, keyIdentifier = none] = authorityExtensions();

  test('with another key', () => {
    assert.throws(build({ privateKey: root.privateKey }), refused(/do not belong together/));
  });
  test('X5-08 a leaf', () => {
    const keys = newKeys();
    const { certificateDer } = issuer.issue({ ...valid, publicKey: pointOf(keys.publicKey) });
    assert.throws(
      build({ certificateDer, privateKey: keys.privateKey }),
      refused(/not a CA certificate/),
    );
  });
  test('X5-07 of another trust domain', () => {
    const other = { trustDomain: 'example.com' };
    assert.throws(build(other), refused(/not of trust domain example.com/));
  });
  test('X5-01 with a second name', () => {
    const names = subjectAltName(uri('spiffe://example.org'), uri('spiffe://example.org/b'));
    assert.throws(
      build(withExtensions([constraints, usage, keyIdentifier, names])),
      refused(/not of trust domain/),
    );
  });
  test('without a subject key identifier', () => {
    assert.throws(
      build(withExtensions([constraints, usage])),
      refused(/no subject key identifier/),
    );
  });
  test('X5-11 without key usage', () => {
    assert.throws(build(withExtensions([constraints, keyIdentifier])), refused(/no key usage/));
  });
  test('with an organization of 65', () => {
    assert.throws(build({ organization: 'a'.repeat(65) }), refused(/organization: more than 64/));
  });
  test('X5-29 an authority above it bounds the leaf', async () => {
    const short = await createRootAuthority({
      trustDomain,
      notBefore: NOW - HOUR,
      notAfter: NOW + HOUR,
    });
    const bounded = new X509SvidIssuer({
      trustDomain,
      ...intermediate,
      above: [short.certificateDer],
    });
    assert.equal(bounded.notAfter, NOW + HOUR);
    assert.throws(() => issue({ notAfter: NOW + HOUR + 1000 }, bounded), refused(/later than/));
  });
});
