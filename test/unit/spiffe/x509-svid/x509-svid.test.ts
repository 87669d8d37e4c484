// Path validation and the leaf rules: a valid chain, and the same with one thing wrong.

import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import * as fc from 'fast-check';
import { CodedError } from '../../../../src/base/errors.ts';
import { EXTENSION, SIGNATURE } from '../../../../src/spiffe/certificate/oid.ts';
import { constructedContextTag, TAG } from '../../../../src/spiffe/der/der-tag.ts';
import {
  element,
  objectIdentifier,
  primitive,
  sequence,
} from '../../../../src/spiffe/der/der-writer.ts';
import { parseSpiffeId, parseTrustDomain } from '../../../../src/spiffe/spiffe-id.ts';
import { validateX509Svid } from '../../../../src/spiffe/x509-svid/x509-svid.ts';
import { X509SvidIssuer } from '../../../../src/spiffe/x509-svid/x509-svid-issuer.ts';
import { X509TrustAnchors } from '../../../../src/spiffe/x509-svid/x509-trust-anchors.ts';
import { HOUR, intermediate, root, trustDomain } from '../authority/issuing-authority.ts';
import {
  authorityExtensions,
  basicConstraints,
  dns,
  extension,
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

const top = party('root');
const middle = party('intermediate');
const workload = party('');
const rootDer = forge(top, top, { extensions: authorityExtensions() });
const leafOf = (shape: Shape = {}, by = middle) =>
  forge(workload, by, { extensions: leafExtensions(), ...shape });
const middleOf = (shape: Shape = {}, by = top) =>
  forge(middle, by, { extensions: authorityExtensions(0), ...shape });

type Given = {
  readonly chain?: readonly Uint8Array[];
  readonly authorities?: readonly Uint8Array[];
  readonly now?: number;
};

function validate({ chain, authorities = [rootDer], now = NOW }: Given = {}) {
  const anchors = new X509TrustAnchors(authorities);
  return validateX509Svid(chain ?? [leafOf(), middleOf()], {
    authoritiesOf: (name) => (name === trustDomain ? anchors : undefined),
    now,
  });
}

const refused = (rule: RegExp) => (thrown: unknown) =>
  thrown instanceof CodedError && thrown.code === 'invalid-argument' && rule.test(thrown.message);

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

suite('X5-17 refused', () => {
  const stranger = party('root');
  const late = { notBefore: NOW + 1000 };
  const old = { notAfter: NOW - 1000 };
  const below = party('below');
  const belowDer = forge(below, middle, { extensions: authorityExtensions() });
  const named = (shape: Shape) => ({ extensions: authorityExtensions(), ...shape });
  const constrained = [
    ...authorityExtensions(),
    extension(
      EXTENSION.NAME_CONSTRAINTS,
      false,
      sequence(element(constructedContextTag(0), sequence(dns('a.test')))),
    ),
  ];
  const rsaSha256 = sequence(
    objectIdentifier(SIGNATURE.RSA_SHA256),
    primitive(TAG.NULL, new Uint8Array(0)),
  );
  const cases: readonly [name: string, given: Given, rule: RegExp][] = [
    [
      'an intermediate of another name with the same key',
      {
        chain: [
          leafOf(),
          forge({ ...middle, name: 'other' }, top, { extensions: authorityExtensions(0) }),
        ],
      },
      /not signed by the one after/,
    ],
    [
      'an algorithm of another type of key',
      { chain: [leafOf({ algorithm: rsaSha256, signedAlgorithm: rsaSha256 }), middleOf()] },
      /not signed by the one after/,
    ],
    ['no certificate', { chain: [] }, /chain: empty/],
    ['nine certificates', { chain: Array(9).fill(leafOf()) }, /9 certificates exceed 8/],
    ['no authorities', { authorities: [] }, /no authority/],
    [
      'another authority of that name',
      { chain: [leafOf(), middleOf({}, stranger)] },
      /no authority/,
    ],
    ['a missing intermediate', { chain: [leafOf()] }, /no authority/],
    [
      'an intermediate of another name',
      { chain: [leafOf(), belowDer] },
      /not signed by the one after/,
    ],
    [
      'a forged leaf',
      { chain: [leafOf({ signWith: top.privateKey }), middleOf()] },
      /not signed by the one after/,
    ],
    ['a leaf too early', { chain: [leafOf(late), middleOf()] }, /not valid yet/],
    ['an expired leaf', { chain: [leafOf(old), middleOf()] }, /expired/],
    ['an intermediate too early', { chain: [leafOf(), middleOf(late)] }, /not valid yet/],
    ['an expired intermediate', { chain: [leafOf(), middleOf(old)] }, /expired/],
    ['an expired authority', { authorities: [forge(top, top, named(old))] }, /no authority/],
    ['an authority too early', { authorities: [forge(top, top, named(late))] }, /no authority/],
    [
      'an intermediate that is a leaf',
      { chain: [leafOf(), middleOf({ extensions: leafExtensions() })] },
      /not a CA certificate/,
    ],
    [
      'an intermediate without keyCertSign',
      { chain: [leafOf(), middleOf({ extensions: [basicConstraints(true), keyUsage(0x02)] })] },
      /lacks keyCertSign/,
    ],
    ['a path longer than allowed', { chain: [leafOf({}, below), belowDer, middleOf()] }, /longer/],
    [
      'a path longer than the authority allows',
      { authorities: [forge(top, top, { extensions: authorityExtensions(0) })] },
      /no authority/,
    ],
    [
      'X5-10 an authority with name constraints',
      { chain: [leafOf(), middleOf({ extensions: constrained })] },
      /name constraints/,
    ],
    [
      'a digest that is not on the list',
      {
        chain: [
          leafOf({
            algorithm: sequence(objectIdentifier('2a8648ce3d0401')),
            signedAlgorithm: sequence(objectIdentifier('2a8648ce3d0401')),
          }),
          middleOf(),
        ],
      },
      /not signed by the one after/,
    ],
  ];
  for (const [name, given, rule] of cases) {
    test(name, () => assert.throws(() => validate(given), refused(rule)));
  }
  test('an authority of the bundle that is none', () => {
    assert.throws(() => validate({ authorities: [leafOf()] }), refused(/not a CA certificate/));
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
