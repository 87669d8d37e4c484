// What a certificate must be before anything it signed is believed, or anything is signed by it
// (X509-SVID §3.2 and §4, RFC 5280 §6.1.4).

import { createPublicKey, type KeyObject } from 'node:crypto';
import { CodedError, invalid } from '../../base/errors.ts';
import { type Certificate, readCertificate } from '../certificate/certificate.ts';
import { KEY_USAGE } from '../certificate/certificate-extensions.ts';
import { EXTENSION } from '../certificate/oid.ts';
import { checkAuthorityKey, isSignedBy } from '../certificate/signature-algorithm.ts';
import { type TrustDomain, trustDomainId } from '../spiffe-id.ts';

export type AuthorityCertificate = Certificate & { readonly subjectKeyIdentifier: Uint8Array };

/** Throws `invalid-argument` unless the certificate may sign others. */
export function checkIsAuthority({ extensions }: Certificate): void {
  if (extensions.basicConstraints?.ca !== true) throw invalid('authority: not a CA certificate');
  // Name constraints are not evaluated here, so nothing below them can be believed.
  if (extensions.critical.has(EXTENSION.NAME_CONSTRAINTS)) {
    throw invalid('authority: name constraints are not supported');
  }
  // Absent means unrestricted (RFC 5280 §6.1.4 (n)): a root need not be an SVID.
  const { keyUsage = KEY_USAGE.KEY_CERT_SIGN } = extensions;
  if ((keyUsage & KEY_USAGE.KEY_CERT_SIGN) === 0) {
    throw invalid('authority: key usage lacks keyCertSign');
  }
}

/** The key of an authority. Throws `invalid-argument` when it is of no type we verify with. */
export function authorityPublicKey({ subjectPublicKeyInfo }: Certificate): KeyObject {
  const key = importSpki(subjectPublicKeyInfo);
  checkAuthorityKey(key);
  return key;
}

/** Reads the certificate of an authority that issues for `trustDomain`. */
export function readAuthorityCertificate(
  der: Uint8Array,
  trustDomain: TrustDomain,
): AuthorityCertificate {
  const certificate = readCertificate(der);
  checkIsAuthority(certificate);
  const { keyUsage, subjectKeyIdentifier, alternativeNames } = certificate.extensions;
  // X509-SVID §4.3: clients refuse an authority in a chain that does not say what it is for.
  if (keyUsage === undefined) throw invalid('authority: no key usage');
  if (subjectKeyIdentifier === undefined) throw invalid('authority: no subject key identifier');
  // X509-SVID §3.2: an authority that is itself an SVID names its trust domain, without a path. One
  // from another PKI names nothing.
  const { uris } = alternativeNames;
  if (uris.length > 1 || (uris[0] ?? trustDomainId(trustDomain)) !== trustDomainId(trustDomain)) {
    throw invalid(`authority: not of trust domain ${trustDomain}`);
  }
  return { ...certificate, subjectKeyIdentifier };
}

/** Throws `invalid-argument` when the certificate has a SPIFFE ID of another trust domain (§3.2). */
export function checkNamesNoOther({ extensions }: Certificate, trustDomain: TrustDomain): void {
  for (const uri of extensions.alternativeNames.uris) {
    const [, named = trustDomain] = /^spiffe:\/\/([^/?#]*)/i.exec(uri) ?? [];
    if (named !== trustDomain) throw invalid(`authority: not of trust domain ${trustDomain}`);
  }
}

/** Throws `invalid-argument` unless the key is the certificate's own, and strong enough to sign. */
export function checkKeyOfCertificate(privateKey: KeyObject, certificate: Certificate): void {
  checkAuthorityKey(privateKey);
  const spki = createPublicKey(privateKey).export({ type: 'spki', format: 'der' });
  if (!spki.equals(certificate.subjectPublicKeyInfo)) {
    throw invalid('authority: private key and certificate do not belong together');
  }
}

/** Whether `above` has signed `below`, and is the one that it names. */
export function isIssuedBy(below: Certificate, above: Certificate): boolean {
  return (
    Buffer.compare(below.issuer, above.subject) === 0 &&
    isSignedBy(authorityPublicKey(above), below)
  );
}

function importSpki(spki: Uint8Array): KeyObject {
  try {
    return createPublicKey({ key: Buffer.from(spki), format: 'der', type: 'spki' });
  } catch (thrown) {
    throw invalid(`authority: public key: ${CodedError.from(thrown).message}`, thrown);
  }
}
