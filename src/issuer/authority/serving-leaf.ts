// The issuer's own TLS certificate: made by the authority role from the serving authority, read by
// the issuer as a document of its own, so that the issuer never needs the serving authority's key.

import { createServingLeaf, type X509Authority } from '../../spiffe/authority/x509-authority.ts';
import { issuerEndpointId } from '../../spiffe/issuer-endpoint-id.ts';
import type { TrustDomain } from '../../spiffe/spiffe-id.ts';
import { type Authority, damaged } from './authority-state.ts';
import { encodeKey, type StoredDocument } from './authority-store.ts';

export type ServingLeafDocument = {
  readonly format: 1;
  /** DER in base64. */
  readonly certificate: string;
  /** PKCS#8 DER in base64. */
  readonly key: string;
  /** The serving authority that signed it. */
  readonly authority: string;
  /** Seconds since the epoch. */
  readonly notBefore: number;
  readonly notAfter: number;
};

const LIFETIME_SECONDS = 30 * 24 * 3600;
const BACKDATE_SECONDS = 24 * 3600;

export function readServingLeaf(document: StoredDocument | undefined): ServingLeafDocument {
  const leaf = document?.value as ServingLeafDocument | undefined;
  const shaped =
    leaf?.format === 1 &&
    typeof leaf.certificate === 'string' &&
    typeof leaf.key === 'string' &&
    Number.isSafeInteger(leaf.notAfter);
  if (!shaped) throw damaged('the serving certificate is missing or malformed');
  return leaf;
}

/** Whether there is none, half of its life is over, or another authority signs now. */
export function needsServingLeaf(
  document: StoredDocument | undefined,
  serving: Authority,
  now: number,
): boolean {
  const leaf = document?.value as Partial<ServingLeafDocument> | undefined;
  const { notBefore, notAfter } = leaf ?? {};
  if (leaf?.authority !== serving.id || notBefore === undefined || notAfter === undefined) {
    return true;
  }
  return now < notBefore || now >= (notBefore + notAfter) / 2;
}

export async function makeServingLeaf(
  serving: Authority,
  signedBy: X509Authority,
  context: { readonly trustDomain: TrustDomain; readonly now: number },
): Promise<ServingLeafDocument> {
  const { trustDomain, now } = context;
  const notBefore = now - BACKDATE_SECONDS;
  const notAfter = Math.min(now + LIFETIME_SECONDS, serving.notAfter);
  const { certificateDer, privateKey } = await createServingLeaf({
    trustDomain,
    spiffeId: issuerEndpointId(trustDomain),
    dnsNames: [],
    notBefore: notBefore * 1000,
    notAfter: notAfter * 1000,
    signedBy,
  });
  return {
    format: 1,
    certificate: Buffer.from(certificateDer).toString('base64'),
    key: encodeKey(privateKey),
    authority: serving.id,
    notBefore,
    notAfter,
  };
}
