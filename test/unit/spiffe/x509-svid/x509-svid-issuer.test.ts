// Issued X.509-SVIDs: the profile, read by Node's own parser and by the strict reader; and every
// request that must not be signed.

import assert from 'node:assert/strict';
import { generateKeyPairSync, X509Certificate } from 'node:crypto';
import { suite, test } from 'node:test';
import * as fc from 'fast-check';
import { CodedError } from '../../../../src/base/errors.ts';
import { createRootAuthority } from '../../../../src/spiffe/authority/x509-authority.ts';
import { readCertificate } from '../../../../src/spiffe/certificate/certificate.ts';
import { KEY_USAGE } from '../../../../src/spiffe/certificate/certificate-extensions.ts';
import { readDistinguishedName } from '../../../../src/spiffe/certificate/distinguished-name.ts';
import { ATTRIBUTE, EXTENSION, PURPOSE } from '../../../../src/spiffe/certificate/oid.ts';
import type { Der } from '../../../../src/spiffe/der/der-writer.ts';
import { parseSpiffeId, type SpiffeId } from '../../../../src/spiffe/spiffe-id.ts';
import { readX509Svid } from '../../../../src/spiffe/x509-svid/x509-svid.ts';
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

const { publicKey } = newKeys();
const organization = 'Signet';
const issuer = new X509SvidIssuer({
  trustDomain,
  ...intermediate,
  above: [root.certificateDer],
  organization,
});
const valid: X509SvidRequest = {
  publicKey: pointOf(publicKey),
  spiffeId: parseSpiffeId('spiffe://example.org/ns/a/sa/b'),
  notBefore: NOW - 60_000,
  notAfter: NOW + HOUR,
};
const refused = (rule: RegExp) => (thrown: unknown) =>
  thrown instanceof CodedError && thrown.code === 'invalid-argument' && rule.test(thrown.message);
const issue = (change: Partial<X509SvidRequest> = {}, by = issuer) => {
  const issued = by.issue({ ...valid, ...change });
  return { ...issued, read: readCertificate(issued.certificateDer) };
};
const rsaSpki = new Uint8Array(
  generateKeyPairSync('rsa', { modulusLength: 2048 }).publicKey.export({
    type: 'spki',
    format: 'der',
  }),
);

suite('the profile', () => {
  const { read, certificateDer, serialNumber } = issue({ dnsNames: ['b.test', '*.a.test'] });
  const { extensions } = read;

  test('ID-19 X5-01 exactly one URI SAN, the SPIFFE ID, in what is signed', () => {
    assert.deepEqual(extensions.alternativeNames.uris, [valid.spiffeId]);
    assert.equal(readX509Svid(certificateDer).spiffeId, valid.spiffeId);
  });
  test('X5-09 no CA, critical', () => {
    assert.deepEqual(extensions.basicConstraints, { ca: false, pathLength: undefined });
    assert.equal(extensions.critical.get(EXTENSION.BASIC_CONSTRAINTS), true);
    assert.equal(new X509Certificate(certificateDer).ca, false);
  });
  test('X5-11 X5-13 X5-14 key usage: digitalSignature alone, critical', () => {
    assert.equal(extensions.keyUsage, KEY_USAGE.DIGITAL_SIGNATURE);
    assert.equal(extensions.critical.get(EXTENSION.KEY_USAGE), true);
  });
  test('X5-15 X5-16 extended key usage: both sides of TLS', () => {
    assert.deepEqual(extensions.extendedKeyUsage, [PURPOSE.SERVER_AUTH, PURPOSE.CLIENT_AUTH]);
  });
  test('the authority has signed it, and is named by key identifier', () => {
    const authority = readCertificate(intermediate.certificateDer);
    assert.deepEqual(read.issuer, authority.subject);
    assert.deepEqual(extensions.authorityKeyIdentifier, authority.extensions.subjectKeyIdentifier);
    const node = new X509Certificate(certificateDer);
    assert.equal(node.checkIssued(new X509Certificate(intermediate.certificateDer)), true);
    assert.equal(node.verify(new X509Certificate(intermediate.certificateDer).publicKey), true);
  });
  test('the key is the one asked for', () => {
    const node = new X509Certificate(certificateDer);
    assert.equal(node.publicKey.equals(publicKey), true);
  });
  test('DNS names in their order, after the ID', () => {
    assert.deepEqual(extensions.alternativeNames.dnsNames, ['b.test', '*.a.test']);
    assert.equal(
      new X509Certificate(certificateDer).subjectAltName,
      'URI:spiffe://example.org/ns/a/sa/b, DNS:b.test, DNS:*.a.test',
    );
  });
  test('the serial number given back is the one in the certificate', () => {
    assert.deepEqual(Buffer.from(read.serialNumber), Buffer.from(serialNumber));
  });
  test('Q12 the subject is the organization, and the common name when asked for', () => {
    assert.deepEqual(readDistinguishedName(read.subject), [[ATTRIBUTE.ORGANIZATION, organization]]);
    assert.deepEqual(readDistinguishedName(issue({ commonName: 'agent-7' }).read.subject), [
      [ATTRIBUTE.ORGANIZATION, organization],
      [ATTRIBUTE.COMMON_NAME, 'agent-7'],
    ]);
  });
  test('X5-04 SAN critical exactly when the subject is empty', () => {
    const bare = new X509SvidIssuer({ trustDomain, ...intermediate });
    const critical = (read: ReturnType<typeof readCertificate>) =>
      read.extensions.critical.get(EXTENSION.SUBJECT_ALTERNATIVE_NAME);
    assert.equal(critical(issue({}, bare).read), true);
    assert.equal(critical(issue({ commonName: 'agent-7' }, bare).read), false);
    assert.equal(critical(issue().read), false);
  });
  test('an RSA key may also be used for key transport', () => {
    const { keyUsage } = issue({ publicKey: rsaSpki }).read.extensions;
    assert.equal(keyUsage, KEY_USAGE.DIGITAL_SIGNATURE | KEY_USAGE.KEY_ENCIPHERMENT);
  });
  test('X5-29 parts of a second are cut off, and the dates given back are those inside', () => {
    const { read, notBefore, notAfter } = issue({ notBefore: NOW + 1, notAfter: NOW + 5999 });
    assert.deepEqual([notBefore, notAfter], [NOW, NOW + 5000]);
    assert.deepEqual([read.notBefore, read.notAfter], [NOW, NOW + 5000]);
  });
  test('dates of one certificate are never those of the one before', () => {
    for (const [notBefore, notAfter] of [
      [NOW, NOW + 1000],
      [NOW - 1000, NOW + 1000],
      [NOW - 1000, NOW + 2000],
    ] as const) {
      const { read } = issue({ notBefore, notAfter });
      assert.deepEqual([read.notBefore, read.notAfter], [notBefore, notAfter]);
    }
  });
});

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

suite('every kind of authority key', () => {
  const authorities: readonly [string, ReturnType<typeof newKeys>][] = [
    ['P-256', newKeys()],
    ['P-384', newKeys('P-384')],
    ['RSA', generateKeyPairSync('rsa', { modulusLength: 2048 })],
  ];
  for (const [name, keys] of authorities) {
    test(`a leaf signed with ${name} verifies`, () => {
      const authority = party(name, keys);
      const certificateDer = forge(authority, party('root'), { extensions: authorityExtensions() });
      const by = new X509SvidIssuer({ trustDomain, certificateDer, privateKey: keys.privateKey });
      const leaf = new X509Certificate(issue({}, by).certificateDer);
      assert.equal(leaf.verify(keys.publicKey), true);
    });
  }
});

suite('properties', () => {
  const label = fc.string({
    unit: fc.constantFrom(...'abcXYZ019_'.split('')),
    minLength: 1,
    maxLength: 20,
  });
  const dnsNames = fc.uniqueArray(
    fc.tuple(label, label).map(([a, b]) => `${a}.${b}x`),
    { maxLength: 32, selector: (name) => name.toLowerCase() },
  );
  const pathLength = fc.oneof(
    fc.integer({ min: 2, max: 300 }),
    // A SAN whose URI, name list or extension crosses a border of the length encoding.
    fc
      .constantFrom(127, 128, 255, 256, 2048)
      .chain((total) =>
        fc
          .integer({ min: -12, max: 0 })
          .map((less) => total + less - 'spiffe://example.org'.length),
      ),
  );
  test('X5-01 what was asked for is what stands in the certificate', () => {
    const asked = fc.record({
      length: pathLength,
      dnsNames,
      commonName: fc.string({ unit: label, maxLength: 3 }),
      notAfter: fc.integer({ min: 1, max: 47 * 3600 }).map((seconds) => NOW + seconds * 1000),
    });
    fc.assert(
      fc.property(asked, ({ length, ...change }) => {
        const spiffeId = parseSpiffeId(`spiffe://example.org/${'a'.repeat(length - 1)}`);
        const { read } = issue({ ...change, spiffeId, notBefore: NOW });
        assert.deepEqual(read.extensions.alternativeNames, {
          uris: [spiffeId],
          dnsNames: change.dnsNames,
          others: 0,
        });
        assert.equal(read.notAfter, change.notAfter);
      }),
    );
  });
  test('serial numbers are positive, of 16 octets, and never repeat', () => {
    const seen = new Set<string>();
    for (let count = 0; count < 600; count += 1) {
      const { serialNumber } = issuer.issue(valid);
      assert.equal(serialNumber.length, 16);
      const first = serialNumber[0] ?? 0;
      assert.ok(first >= 1 && first <= 127);
      seen.add(Buffer.from(serialNumber).toString('hex'));
    }
    assert.equal(seen.size, 600);
  });
});
