// Validating X.509-SVIDs: RFC 5280 path validation as far as SPIFFE uses it, then the rules of
// X509-SVID §5.2 for the leaf. The authorities are those of the leaf's own trust domain, so one
// trust domain can never speak for another.

import { invalid } from '../../base/errors.ts';
import { checkIsAuthority, isIssuedBy } from '../authority/authority-certificate.ts';
import { type Certificate, readCertificate } from '../certificate/certificate.ts';
import { KEY_USAGE } from '../certificate/certificate-extensions.ts';
import { isSignedBy } from '../certificate/signature-algorithm.ts';
import {
  parseSpiffeId,
  pathOf,
  type SpiffeId,
  type TrustDomain,
  trustDomainOf,
} from '../spiffe-id.ts';
import type { X509TrustAnchors } from './x509-trust-anchors.ts';

/** No chain with more certificates is looked at. */
export const MAX_CHAIN_LENGTH = 8;

export type X509Svid = { readonly spiffeId: SpiffeId; readonly certificate: Certificate };

export type X509SvidValidation = {
  /** The authorities of a trust domain; undefined when it is not trusted. */
  readonly authoritiesOf: (trustDomain: TrustDomain) => X509TrustAnchors | undefined;
  /** Milliseconds since the epoch. */
  readonly now: number;
};

/**
 * `chain` is DER, leaf first, each certificate signed by the next; certificates past the one that
 * an authority signed are not looked at. Throws `invalid-argument` naming the rule.
 */
export function validateX509Svid(
  chain: readonly Uint8Array[],
  { authoritiesOf, now }: X509SvidValidation,
): X509Svid {
  const [leafDer, ...above] = chain;
  if (leafDer === undefined) throw invalid('chain: empty');
  if (chain.length > MAX_CHAIN_LENGTH) {
    throw invalid(`chain: ${chain.length} certificates exceed ${MAX_CHAIN_LENGTH}`);
  }
  const svid = readX509Svid(leafDer);
  const trustDomain = trustDomainOf(svid.spiffeId);
  const anchors = authoritiesOf(trustDomain);
  if (anchors === undefined) throw invalid(`trust domain ${trustDomain}: not trusted`);
  checkPath(svid.certificate, above, { anchors, now });
  return svid;
}

/** Reads a leaf by the rules of X509-SVID §5.2, without asking who signed it. */
export function readX509Svid(der: Uint8Array): X509Svid {
  const certificate = readCertificate(der);
  const { basicConstraints, keyUsage = 0, alternativeNames } = certificate.extensions;
  const [uri, ...more] = alternativeNames.uris;
  if (uri === undefined || more.length > 0) throw invalid('leaf: must have exactly one URI SAN');
  const spiffeId = parseSpiffeId(uri);
  if (pathOf(spiffeId) === '') throw invalid('leaf: SPIFFE ID has no path');
  if (basicConstraints?.ca === true) throw invalid('leaf: a CA certificate');
  if ((keyUsage & (KEY_USAGE.KEY_CERT_SIGN | KEY_USAGE.CRL_SIGN)) !== 0) {
    throw invalid('leaf: key usage allows signing certificates or CRLs');
  }
  // X509-SVID §4.3, and what go-spiffe asks for.
  if ((keyUsage & KEY_USAGE.DIGITAL_SIGNATURE) === 0) {
    throw invalid('leaf: key usage lacks digitalSignature');
  }
  return { spiffeId, certificate };
}

type Trust = { readonly anchors: X509TrustAnchors; readonly now: number };

/** Goes up from the leaf until an authority has signed. */
function checkPath(leaf: Certificate, above: readonly Uint8Array[], trust: Trust): void {
  let certificate = leaf;
  /** Authorities between the leaf and what is looked at, RFC 5280 §6.1.4 (l): own issues aside. */
  let between = 0;
  checkValidity(leaf, trust.now);
  for (const der of above) {
    if (isAnchored(certificate, between, trust)) return;
    const next = readCertificate(der);
    checkIsAuthority(next);
    checkValidity(next, trust.now);
    checkPathLength(next, between);
    if (!isIssuedBy(certificate, next)) {
      throw invalid('chain: a certificate is not signed by the one after it');
    }
    if (Buffer.compare(next.subject, next.issuer) !== 0) between += 1;
    certificate = next;
  }
  if (!isAnchored(certificate, between, trust)) {
    throw invalid('chain: no authority of the trust domain has signed it');
  }
}

function isAnchored(certificate: Certificate, between: number, { anchors, now }: Trust): boolean {
  return anchors.issuersOf(certificate).some((anchor) => {
    const { notBefore, notAfter, extensions } = anchor.certificate;
    const { pathLength = between } = extensions.basicConstraints ?? {};
    return (
      notBefore <= now &&
      now <= notAfter &&
      between <= pathLength &&
      isSignedBy(anchor.publicKey(), certificate)
    );
  });
}

function checkValidity({ notBefore, notAfter }: Certificate, now: number): void {
  if (now < notBefore) throw invalid('certificate: not valid yet');
  if (now > notAfter) throw invalid('certificate: expired');
}

function checkPathLength({ extensions }: Certificate, between: number): void {
  const { pathLength = between } = extensions.basicConstraints ?? {};
  if (between > pathLength) throw invalid('chain: longer than an authority allows');
}
