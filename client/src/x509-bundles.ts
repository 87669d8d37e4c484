// X.509 authorities by trust domain, from both RPCs that carry them. They are never pooled: an SVID
// is checked against the bundle of its own trust domain alone (WA-12).

import { CodedError, invalid } from '../../src/base/errors.ts';
import { splitCertificates } from '../../src/spiffe/certificate/certificate.ts';
import { parseTrustDomainOrId, type TrustDomain } from '../../src/spiffe/spiffe-id.ts';
import { X509TrustAnchors } from '../../src/spiffe/x509-svid/x509-trust-anchors.ts';
import type { Report } from './x509-context.ts';

export type X509Bundle = {
  /** DER. None means that nothing of this trust domain is trusted. */
  readonly authorities: readonly Uint8Array[];
  readonly anchors: X509TrustAnchors;
};

export type X509Bundles = ReadonlyMap<TrustDomain, X509Bundle>;

export const MAX_BUNDLES = 1000;

/** Throws `invalid-argument`. */
export function parseX509Bundle(concatenated: Uint8Array): X509Bundle {
  const authorities = splitCertificates(new Uint8Array(concatenated));
  return { authorities, anchors: new X509TrustAnchors(authorities) };
}

/** No authority has left: what was proven by the one is proven by the other. */
export function isPartOf(before: X509Bundle, after: X509Bundle): boolean {
  return (
    before === after ||
    before.authorities.every((each) =>
      after.authorities.some((other) => Buffer.compare(each, other) === 0),
    )
  );
}

/**
 * The bundles of an answer. One that cannot be read is left out, so that its trust domain is not
 * trusted, and reported: no foreign operator can take away our own identity.
 */
export function parseX509Bundles(
  byId: { readonly [trustDomainId: string]: Uint8Array },
  report: Report,
): X509Bundles {
  return parseByTrustDomain(byId, { parse: parseX509Bundle, report });
}

type Parsing<T> = { readonly parse: (bytes: Uint8Array, of: TrustDomain) => T; report: Report };

export function parseByTrustDomain<T>(
  byId: { readonly [trustDomainId: string]: Uint8Array },
  { parse, report }: Parsing<T>,
): ReadonlyMap<TrustDomain, T> {
  const entries = Object.entries(byId);
  if (entries.length > MAX_BUNDLES) {
    throw invalid(`bundles: ${entries.length} exceed ${MAX_BUNDLES}`);
  }
  const parsed = new Map<TrustDomain, T>();
  for (const [id, bytes] of entries) {
    try {
      const trustDomain = parseTrustDomainOrId(id);
      parsed.set(trustDomain, parse(bytes, trustDomain));
    } catch (thrown) {
      const { message } = CodedError.from(thrown);
      report(invalid(`bundle of ${JSON.stringify(id.slice(0, 300))}: ${message}`, thrown));
    }
  }
  return parsed;
}
