import assert from 'node:assert/strict';
import { test } from 'node:test';
import { checkIssuerCertificate } from '../../../src/node/issuer-credentials.ts';
import type { Der } from '../../../src/spiffe/der/der-writer.ts';
import { parseTrustDomain } from '../../../src/spiffe/spiffe-id.ts';
import {
  basicConstraints,
  dns,
  forge,
  party,
  subjectAltName,
  uri,
} from '../spiffe/certificate/forged-certificate.ts';

const TRUST_DOMAIN = parseTrustDomain('example.org');
const ISSUER = uri('spiffe://example.org/signet/issuer');

function check(...names: readonly Der[]): void {
  const issuer = party('issuer');
  const sans = names.length === 0 ? [] : [subjectAltName(...names)];
  const der = forge(issuer, issuer, { extensions: [basicConstraints(false), ...sans] });
  checkIssuerCertificate(der, TRUST_DOMAIN);
}

test('the issuer carries its ID, and may have DNS names besides', () => {
  check(ISSUER);
  check(ISSUER, dns('signet-issuer'));
});

const NOT_THE_ISSUER: readonly (readonly [string, readonly Der[]])[] = [
  ['no names', []],
  ['a DNS name alone', [dns('signet-issuer')]],
  ['the ID of a workload', [uri('spiffe://example.org/ns/a/sa/b')]],
  ['the ID of the trust domain', [uri('spiffe://example.org')]],
  ['a path below', [uri('spiffe://example.org/signet/issuer/x')]],
  ['another trust domain', [uri('spiffe://other.org/signet/issuer')]],
  ['another spelling', [uri('SPIFFE://example.org/signet/issuer')]],
  ['a second ID after it', [ISSUER, uri('spiffe://example.org/a')]],
  ['a second ID before it', [uri('spiffe://example.org/a'), ISSUER]],
  ['its ID twice', [ISSUER, ISSUER]],
];
for (const [name, names] of NOT_THE_ISSUER) {
  test(`${name}: not the issuer`, () => {
    assert.throws(() => check(...names), { code: 'unauthenticated' });
  });
}

test('what is no certificate is not the issuer', () => {
  assert.throws(() => checkIssuerCertificate(Uint8Array.of(0x30, 0), TRUST_DOMAIN));
});
