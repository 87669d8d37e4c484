// Path validation and the leaf rules: valid chains, and the rules of a leaf one by one.

import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import * as fc from 'fast-check';
import { CodedError } from '../../../../src/base/errors.ts';
import { parseSpiffeId, parseTrustDomain } from '../../../../src/spiffe/spiffe-id.ts';
import { validateX509Svid } from '../../../../src/spiffe/x509-svid/x509-svid.ts';
import { X509SvidIssuer } from '../../../../src/spiffe/x509-svid/x509-svid-issuer.ts';
import { X509TrustAnchors } from '../../../../src/spiffe/x509-svid/x509-trust-anchors.ts';
import { HOUR, intermediate, root, trustDomain } from '../authority/issuing-authority.ts';
import {
  authorityExtensions,
  basicConstraints,
  dns,
  forge,
  keyUsage,
  leafExtensions,
  NOW,
  newKeys,
  party,
  pointOf,
  type Shape,
  subjectAltName,
  uri,
} from '../certificate/forged-certificate.ts';
import { leafOf, middle, middleOf, refused, rootDer, top, validate } from './x509-svid-fixtures.ts';

suite('X5-17 accepted', () => {
  test('a leaf below an intermediate below an authority', () => {
    const svid = validate();
    assert.equal(svid.spiffeId, 'spiffe://example.org/a');
    assert.equal(svid.certificate.notAfter, NOW + 24 * HOUR);
  });
  test('what the issuer makes', () => {
    const issuer = new X509SvidIssuer({ trustDomain, ...intermediate });
    const spiffeId = parseSpiffeId('spiffe://example.org/ns/a');
    const { certificateDer } = issuer.issue({
      publicKey: pointOf(newKeys().publicKey),
      spiffeId,
      notBefore: NOW - 1000,
      notAfter: NOW + HOUR,
    });
    const svid = validate({
      chain: [certificateDer, intermediate.certificateDer],
      authorities: [root.certificateDer],
    });
    assert.equal(svid.spiffeId, spiffeId);
  });
  test('a leaf right below an authority', () => {
    validate({ chain: [leafOf({}, top)] });
  });
  test('the root at the end of the chain', () => {
    validate({ chain: [leafOf(), middleOf(), rootDer] });
  });
  test('an intermediate that is itself an authority, without a root', () => {
    validate({ chain: [leafOf()], authorities: [middleOf()] });
  });
  test('two authorities of one name: the one that signed counts', () => {
    const twin = party('root');
    const twinDer = forge(twin, twin, { extensions: authorityExtensions() });
    validate({ authorities: [twinDer, rootDer] });
  });
  test('a self-issued intermediate does not count for the path length', () => {
    const renewed = party('intermediate');
    const renewedDer = forge(renewed, middle, { extensions: authorityExtensions() });
    const authorities = [forge(top, top, { extensions: authorityExtensions(1) })];
    validate({ chain: [leafOf({}, renewed), renewedDer, middleOf()], authorities });
  });
  test('the first and last moment of the leaf', () => {
    validate({ now: NOW - 24 * HOUR });
    validate({ now: NOW + 24 * HOUR });
  });
  test('an authority without key usage', () => {
    const [constraints] = authorityExtensions();
    const extensions = constraints === undefined ? [] : [constraints];
    validate({ authorities: [forge(top, top, { extensions })] });
  });
  test('DNS names beside the ID', () => {
    const extensions = [
      basicConstraints(false),
      keyUsage(0x80),
      subjectAltName(dns('a.test'), uri('spiffe://example.org/a'), dns('b.test')),
    ];
    validate({ chain: [leafOf({ extensions }), middleOf()] });
  });
});

suite('leaf rules', () => {
  const withNames = (...names: readonly string[]) => [
    basicConstraints(false),
    keyUsage(0x80),
    ...(names.length === 0 ? [] : [subjectAltName(...names.map(uri))]),
  ];
  const id = 'spiffe://example.org/a';
  const cases: readonly [name: string, extensions: Shape['extensions'], rule: RegExp][] = [
    ['X5-02 no URI SAN', withNames(), /exactly one URI SAN/],
    ['X5-02 two URI SANs', withNames(id, 'spiffe://example.org/b'), /exactly one URI SAN/],
    ['X5-02 a second URI of another scheme', withNames(id, 'https://a.test'), /exactly one/],
    ['X5-03 no path', withNames('spiffe://example.org'), /no path/],
    ['X5-19 another scheme', withNames('https://example.org/a'), /scheme/],
    ['X5-19 a root path', withNames('spiffe://example.org/'), /slash/],
    ['ID-10 dot segments', withNames('spiffe://example.org/a/../b'), /dot segments/],
    ['X5-18 cA', [basicConstraints(true), keyUsage(0x80), subjectAltName(uri(id))], /a CA/],
    ['X5-18 keyCertSign', [keyUsage(0x84), subjectAltName(uri(id))], /allows signing/],
    ['X5-18 cRLSign', [keyUsage(0x82), subjectAltName(uri(id))], /allows signing/],
    ['PF-02 no digitalSignature', [keyUsage(0x20), subjectAltName(uri(id))], /digitalSignature/],
    ['PF-02 no key usage', [subjectAltName(uri(id))], /digitalSignature/],
  ];
  for (const [name, extensions = [], rule] of cases) {
    test(name, () => {
      assert.throws(() => validate({ chain: [leafOf({ extensions }), middleOf()] }), refused(rule));
    });
  }
  test('WA-12 a trust domain without authorities, though another one has signed', () => {
    const extensions = leafExtensions('spiffe://example.com/a');
    assert.throws(
      () => validate({ chain: [leafOf({ extensions }), middleOf()] }),
      refused(/trust domain example.com: not trusted/),
    );
  });
  test('X5-26 a trust domain with an empty bundle', () => {
    const empty = new X509TrustAnchors([]);
    assert.throws(
      () =>
        validateX509Svid([leafOf({}, top)], {
          authoritiesOf: (name) =>
            name === parseTrustDomain('example.org') ? empty : new X509TrustAnchors([rootDer]),
          now: NOW,
        }),
      refused(/no authority/),
    );
  });
});

test('any changed byte of the leaf or of the intermediate is refused with a coded error', () => {
  const chain = [leafOf(), middleOf()] as const;
  const anchors = new X509TrustAnchors([rootDer]);
  fc.assert(
    fc.property(fc.nat(1), fc.nat(), fc.integer({ min: 1, max: 255 }), (which, place, change) => {
      const mutated = chain.map((der) => Uint8Array.from(der));
      const der = mutated[which] ?? new Uint8Array(0);
      const at = place % der.length;
      der[at] = (der[at] ?? 0) ^ change;
      assert.throws(
        () => validateX509Svid(mutated, { authoritiesOf: () => anchors, now: NOW }),
        CodedError,
      );
    }),
    { numRuns: 1000 },
  );
});
