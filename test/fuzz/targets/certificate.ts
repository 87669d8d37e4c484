// Certificates and chains in DER: where OpenSSL reads one too, both see the same names and dates.

import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { readCertificate, splitCertificates } from '../../../src/spiffe/certificate/certificate.ts';
import { parsePemCertificates } from '../../../src/spiffe/pem.ts';
import { readX509Svid, validateX509Svid } from '../../../src/spiffe/x509-svid/x509-svid.ts';
import { X509TrustAnchors } from '../../../src/spiffe/x509-svid/x509-trust-anchors.ts';
import { accepted, type FuzzTarget, textOf } from '../fuzz-target.ts';

/** Names that OpenSSL shows without quotes. */
const PLAIN = /^[A-Za-z0-9:/._-]+$/;

export const CERTIFICATE: FuzzTarget = {
  name: 'certificate',
  dictionary: [
    '\x30\x82\x01\x00',
    '\x30\x00',
    '\x30\x80',
    '\x02\x01\x02',
    '\x03\x02\x07\x80',
    '\x04\x00',
    '\x01\x01\xff',
    '\xa0\x03',
    '\xa3\x82',
    '\x86\x05spiff',
    '\x06\x03\x55\x1d\x11',
    '\x06\x03\x55\x1d\x0f',
    '\x06\x03\x55\x1d\x13',
    '\x06\x03\x55\x1d\x1e',
    '\x17\x0d260101000000Z',
    '\x18\x0f20500101000000Z',
    'spiffe://example.org/a',
  ],
  maxBytes: 10_000,
  run: (input) => {
    accepted(() => parsePemCertificates(textOf(input)));
    const chain = accepted(() => splitCertificates(input)) ?? [];
    for (const der of chain.slice(0, 8)) checkOne(der);
    const [last] = chain.slice(-1);
    const anchors = last && accepted(() => new X509TrustAnchors([last]));
    if (anchors === undefined) return;
    accepted(() => validateX509Svid(chain, { authoritiesOf: () => anchors, now: 1.8e12 }));
  },
};

function checkOne(der: Uint8Array): void {
  const certificate = accepted(() => readCertificate(der));
  const svid = accepted(() => readX509Svid(der));
  if (certificate === undefined) return assert.equal(svid, undefined);
  assert.deepEqual(Buffer.from(certificate.der), Buffer.from(der));
  const theirs = readByOpenssl(der);
  if (theirs === undefined) return;
  const { uris } = certificate.extensions.alternativeNames;
  if (uris.length > 0 && uris.every((uri) => PLAIN.test(uri))) {
    const shown = (theirs.subjectAltName ?? '')
      .split(', ')
      .filter((name) => name.startsWith('URI:'));
    assert.deepEqual(
      shown,
      uris.map((uri) => `URI:${uri}`),
    );
  }
  assert.equal(theirs.validToDate.getTime(), certificate.notAfter);
  // OpenSSL says no as well where the key may not sign certificates.
  if (theirs.ca) assert.equal(certificate.extensions.basicConstraints?.ca, true);
}

function readByOpenssl(der: Uint8Array): X509Certificate | undefined {
  try {
    return new X509Certificate(der);
  } catch {
    return undefined;
  }
}
