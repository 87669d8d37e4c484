// Authorities and endpoint leaves, read by Node's own parser and by the strict reader.

import assert from 'node:assert/strict';
import { createPrivateKey, generateKeyPairSync, X509Certificate } from 'node:crypto';
import { suite, test } from 'node:test';
import { CodedError } from '../../../../src/base/errors.ts';
import { readUserAuthority } from '../../../../src/spiffe/authority/user-authority.ts';
import {
  createIntermediateAuthority,
  createRootAuthority,
  createServingAuthority,
  createServingLeaf,
  type X509Authority,
} from '../../../../src/spiffe/authority/x509-authority.ts';
import { readCertificate } from '../../../../src/spiffe/certificate/certificate.ts';
import { KEY_USAGE } from '../../../../src/spiffe/certificate/certificate-extensions.ts';
import { readDistinguishedName } from '../../../../src/spiffe/certificate/distinguished-name.ts';
import { ATTRIBUTE, EXTENSION, PURPOSE } from '../../../../src/spiffe/certificate/oid.ts';
import { formatPemCertificate } from '../../../../src/spiffe/pem.ts';
import { parseSpiffeId, parseTrustDomain } from '../../../../src/spiffe/spiffe-id.ts';
import { readX509Svid } from '../../../../src/spiffe/x509-svid/x509-svid.ts';
import { X509TrustAnchors } from '../../../../src/spiffe/x509-svid/x509-trust-anchors.ts';
import { authorityExtensions, forge, NOW, party } from '../certificate/forged-certificate.ts';
import { HOUR, intermediate, root, trustDomain } from './issuing-authority.ts';

const refused = (rule: RegExp) => (thrown: unknown) =>
  thrown instanceof CodedError && thrown.code === 'invalid-argument' && rule.test(thrown.message);
const validity = { trustDomain, notBefore: NOW, notAfter: NOW + HOUR };
const node = ({ certificateDer }: X509Authority) => new X509Certificate(certificateDer);
const extensionsOf = ({ certificateDer }: X509Authority) =>
  readCertificate(certificateDer).extensions;

suite('a root', () => {
  test('X5-09 X5-11 X5-12 is a CA that signs certificates and CRLs, critical both', () => {
    const { basicConstraints, keyUsage, critical } = extensionsOf(root);
    assert.deepEqual(basicConstraints, { ca: true, pathLength: undefined });
    assert.equal(keyUsage, KEY_USAGE.KEY_CERT_SIGN | KEY_USAGE.CRL_SIGN);
    assert.equal(critical.get(EXTENSION.BASIC_CONSTRAINTS), true);
    assert.equal(critical.get(EXTENSION.KEY_USAGE), true);
  });
  test('ID-17 ID-18 X5-05 X5-06 X5-07 is an SVID of the trust domain without a path', () => {
    assert.deepEqual(extensionsOf(root).alternativeNames.uris, ['spiffe://example.org']);
  });
  test('X5-23 is signed by itself', () => {
    assert.equal(node(root).checkIssued(node(root)), true);
    assert.equal(node(root).verify(node(root).publicKey), true);
    assert.equal(node(root).checkPrivateKey(root.privateKey), true);
  });
  test('has a name of its own', async () => {
    const other = await createRootAuthority(validity);
    assert.notEqual(node(root).subject, node(other).subject);
    const attributes = readDistinguishedName(readCertificate(root.certificateDer).subject);
    assert.deepEqual(
      attributes.map(([type]) => type),
      [ATTRIBUTE.ORGANIZATION, ATTRIBUTE.COMMON_NAME, ATTRIBUTE.SERIAL_NUMBER],
    );
  });
  test('past 2050 keeps its dates', async () => {
    const notAfter = Date.UTC(2051, 0, 1);
    const long = await createRootAuthority({ ...validity, notBefore: NOW + 999, notAfter });
    assert.equal(node(long).validToDate.getTime(), notAfter);
    assert.equal(node(long).validFromDate.getTime(), NOW);
  });
  test('on P-384', async () => {
    const other = await createRootAuthority({ ...validity, curve: 'P-384' });
    assert.equal(other.privateKey.asymmetricKeyDetails?.namedCurve, 'secp384r1');
    assert.equal(node(other).verify(node(other).publicKey), true);
  });
});

suite('an intermediate', () => {
  test('signs leaves only, for both sides of TLS', () => {
    const { basicConstraints, extendedKeyUsage } = extensionsOf(intermediate);
    assert.deepEqual(basicConstraints, { ca: true, pathLength: 0 });
    assert.deepEqual(extendedKeyUsage, [PURPOSE.SERVER_AUTH, PURPOSE.CLIENT_AUTH]);
  });
  test('is signed by its root, which it names by key identifier', () => {
    assert.equal(node(intermediate).checkIssued(node(root)), true);
    assert.equal(node(intermediate).verify(node(root).publicKey), true);
    assert.deepEqual(
      extensionsOf(intermediate).authorityKeyIdentifier,
      extensionsOf(root).subjectKeyIdentifier,
    );
  });
  test('X5-29 never outlives its root', async () => {
    await assert.rejects(
      createIntermediateAuthority({ ...validity, notAfter: NOW + 1001 * HOUR, signedBy: root }),
      refused(/later than/),
    );
  });
  test('X5-29 may end in the same second as its root', async () => {
    const times = { ...validity, notAfter: NOW + HOUR + 999 };
    const above = await createRootAuthority(times);
    const made = await createIntermediateAuthority({ ...times, signedBy: above });
    assert.equal(node(made).validToDate.getTime(), NOW + HOUR);
  });
  test('below a P-384 root', async () => {
    const other = await createRootAuthority({ ...validity, curve: 'P-384' });
    const made = await createIntermediateAuthority({ ...validity, signedBy: other });
    assert.equal(node(made).verify(node(other).publicKey), true);
  });
  test('below an RSA root whose name is written in another string type', async () => {
    const keys = generateKeyPairSync('rsa', { modulusLength: 2048 });
    const certificateDer = forge(party('corporate', keys), party('above'), {
      extensions: authorityExtensions(),
      notAfter: NOW + 2 * HOUR,
    });
    // UTF8String becomes PrintableString; the signature over it is not looked at here.
    const text = Buffer.from(certificateDer).toString('hex');
    const printable = Buffer.from(text.replaceAll('0c09636f7270', '1309636f7270'), 'hex');
    const signedBy = { certificateDer: printable, privateKey: keys.privateKey };
    const made = await createIntermediateAuthority({ ...validity, signedBy });
    assert.deepEqual(
      readCertificate(made.certificateDer).issuer,
      readCertificate(printable).subject,
    );
    assert.equal(node(made).verify(keys.publicKey), true);
  });
});

suite('serving', () => {
  test('a leaf of an endpoint below the serving authority', async () => {
    const serving = await createServingAuthority(validity);
    const spiffeId = parseSpiffeId('spiffe://example.org/signet/issuer');
    const dnsNames = ['issuer.signet.svc', 'localhost'];
    const leaf = await createServingLeaf({ ...validity, signedBy: serving, spiffeId, dnsNames });
    assert.equal(readX509Svid(leaf.certificateDer).spiffeId, spiffeId);
    assert.deepEqual(extensionsOf(leaf).alternativeNames.dnsNames, dnsNames);
    assert.equal(node(leaf).verify(node(serving).publicKey), true);
    assert.equal(node(leaf).checkPrivateKey(leaf.privateKey), true);
    assert.equal(
      new X509TrustAnchors([serving.certificateDer]).issuersOf(readCertificate(leaf.certificateDer))
        .length,
      1,
    );
  });
});

suite('an endpoint leaf that is refused', () => {
  const leaf = (change: object) =>
    createServingLeaf({
      ...validity,
      signedBy: intermediate,
      spiffeId: parseSpiffeId('spiffe://example.org/signet/issuer'),
      dnsNames: ['localhost'],
      ...change,
    });
  test('of another trust domain', async () => {
    const spiffeId = parseSpiffeId('spiffe://example.com/signet/issuer');
    await assert.rejects(leaf({ spiffeId }), refused(/another trust domain/));
  });
  test('with a DNS name that is none', async () => {
    await assert.rejects(leaf({ dnsNames: ['a b'] }), refused(/DNS name/));
  });
  test("signed with a key that is not the authority's", async () => {
    const signedBy = { ...intermediate, privateKey: root.privateKey };
    await assert.rejects(leaf({ signedBy }), refused(/do not belong together/));
  });
});

suite("a user's authority", () => {
  const keyPem = (key: X509Authority['privateKey']) =>
    key.export({ type: 'pkcs8', format: 'pem' }).toString();
  const pem = {
    certificates: formatPemCertificate(root.certificateDer),
    privateKey: keyPem(root.privateKey),
  };

  test('comes back as it was', () => {
    const read = readUserAuthority(pem, trustDomain);
    assert.deepEqual(Buffer.from(read.certificateDer), Buffer.from(root.certificateDer));
    assert.equal(read.privateKey.equals(createPrivateKey(pem.privateKey)), true);
    assert.deepEqual(read.above, []);
  });
  test('may stand below others', () => {
    const [top, middle] = [party('top'), party('middle')];
    const extensions = authorityExtensions();
    const above = forge(top, top, { extensions });
    const read = readUserAuthority(
      {
        certificates: [forge(middle, top, { extensions }), above]
          .map(formatPemCertificate)
          .join(''),
        privateKey: keyPem(middle.privateKey),
      },
      trustDomain,
    );
    assert.deepEqual(
      read.above.map((der) => Buffer.from(der)),
      [Buffer.from(above)],
    );
  });

  const cases: readonly [name: string, change: Partial<typeof pem>, rule: RegExp][] = [
    ['no certificate', { certificates: 'nothing' }, /no certificate/],
    ['no key', { privateKey: 'nothing' }, /not unencrypted PEM/],
    ['another key', { privateKey: keyPem(intermediate.privateKey) }, /do not belong together/],
    [
      'no room for an intermediate',
      {
        certificates: formatPemCertificate(intermediate.certificateDer),
        privateKey: keyPem(intermediate.privateKey),
      },
      /path length 0/,
    ],
    [
      'an authority above that did not sign it',
      { certificates: pem.certificates + formatPemCertificate(intermediate.certificateDer) },
      /not signed by the one after it/,
    ],
  ];
  for (const [name, change, rule] of cases) {
    test(`refused: ${name}`, () => {
      assert.throws(() => readUserAuthority({ ...pem, ...change }, trustDomain), refused(rule));
    });
  }
  test('TB-18 refused: for another trust domain', () => {
    assert.throws(
      () => readUserAuthority(pem, parseTrustDomain('other.test')),
      refused(/trust domain/),
    );
  });
  test('refused: a key that is too small', () => {
    const keys = generateKeyPairSync('rsa', { modulusLength: 1024 });
    const der = forge(party('small', keys), party('above'), { extensions: authorityExtensions() });
    const small = {
      certificates: formatPemCertificate(der),
      privateKey: keyPem(keys.privateKey),
    };
    assert.throws(() => readUserAuthority(small, trustDomain), refused(/2048/));
  });
});
