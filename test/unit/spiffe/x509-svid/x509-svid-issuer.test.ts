// Issued X.509-SVIDs: the profile, read by Node's own parser and by the strict reader.

import assert from 'node:assert/strict';
import { generateKeyPairSync, X509Certificate } from 'node:crypto';
import { suite, test } from 'node:test';
import * as fc from 'fast-check';
import { readCertificate } from '../../../../src/spiffe/certificate/certificate.ts';
import { KEY_USAGE } from '../../../../src/spiffe/certificate/certificate-extensions.ts';
import { readDistinguishedName } from '../../../../src/spiffe/certificate/distinguished-name.ts';
import { ATTRIBUTE, EXTENSION, PURPOSE } from '../../../../src/spiffe/certificate/oid.ts';
import { parseSpiffeId } from '../../../../src/spiffe/spiffe-id.ts';
import { readX509Svid } from '../../../../src/spiffe/x509-svid/x509-svid.ts';
import { X509SvidIssuer } from '../../../../src/spiffe/x509-svid/x509-svid-issuer.ts';
import { intermediate, trustDomain } from '../authority/issuing-authority.ts';
import {
  authorityExtensions,
  forge,
  NOW,
  newKeys,
  party,
} from '../certificate/forged-certificate.ts';
import { issue, issuer, organization, publicKey, valid } from './issuer-fixtures.ts';

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
