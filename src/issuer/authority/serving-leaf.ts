// The TLS certificates of our own endpoints: made by the authority role from the serving authority, read
// by issuer and controller as documents of their own, so that neither needs the serving authority's key.

import { type Authority, damaged } from '../../authorities/authority-state.ts';
import { createServingLeaf, type X509Authority } from '../../spiffe/authority/x509-authority.ts';
import { issuerEndpointId } from '../../spiffe/issuer-endpoint-id.ts';
import { parseSpiffeId, type SpiffeId, type TrustDomain } from '../../spiffe/spiffe-id.ts';
import { encodeKey, type ServingDocumentName, type StoredDocument } from './authority-store.ts';

export type ServingLeafDocument = {
  readonly format: 1;
  /** DER in base64. */
  readonly certificate: string;
  /** PKCS#8 DER in base64. */
  readonly key: string;
  /** The serving authority that signed it. */
  readonly authority: string;
  readonly dnsNames?: readonly string[];
  /** Seconds since the epoch. */
  readonly notBefore: number;
  readonly notAfter: number;
};

/** Who is to have a certificate. */
export type Endpoint = {
  readonly document: ServingDocumentName;
  readonly spiffeId: SpiffeId;
  readonly dnsNames: readonly string[];
};

/** Node plugins know the issuer by its ID alone. */
export function issuerEndpoint(trustDomain: TrustDomain): Endpoint {
  return { document: 'issuer-serving', spiffeId: issuerEndpointId(trustDomain), dnsNames: [] };
}

/** API servers know the webhook by the name of its Service. */
export function controllerEndpoint(
  trustDomain: TrustDomain,
  dnsNames: readonly string[],
): Endpoint {
  const spiffeId = parseSpiffeId(`spiffe://${trustDomain}/signet/controller`);
  return { document: 'controller-serving', spiffeId, dnsNames };
}

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

/** Whether there is none, half of its life is over, another authority signs now, or names changed. */
export function needsServingLeaf(
  document: StoredDocument | undefined,
  serving: Authority,
  { endpoint, now }: { readonly endpoint: Endpoint; readonly now: number },
): boolean {
  const leaf = document?.value as Partial<ServingLeafDocument> | undefined;
  const { notBefore, notAfter, dnsNames = [] } = leaf ?? {};
  if (leaf?.authority !== serving.id || notBefore === undefined || notAfter === undefined) {
    return true;
  }
  if (JSON.stringify(dnsNames) !== JSON.stringify(endpoint.dnsNames)) return true;
  return now < notBefore || now >= (notBefore + notAfter) / 2;
}

export async function makeServingLeaf(
  serving: Authority,
  signedBy: X509Authority,
  context: { readonly trustDomain: TrustDomain; readonly endpoint: Endpoint; readonly now: number },
): Promise<ServingLeafDocument> {
  const { trustDomain, endpoint, now } = context;
  const { spiffeId, dnsNames } = endpoint;
  const notBefore = now - BACKDATE_SECONDS;
  const notAfter = Math.min(now + LIFETIME_SECONDS, serving.notAfter);
  const { certificateDer, privateKey } = await createServingLeaf({
    trustDomain,
    spiffeId,
    dnsNames,
    notBefore: notBefore * 1000,
    notAfter: notAfter * 1000,
    signedBy,
  });
  return {
    format: 1,
    certificate: Buffer.from(certificateDer).toString('base64'),
    key: encodeKey(privateKey),
    authority: serving.id,
    ...(dnsNames.length === 0 ? {} : { dnsNames }),
    notBefore,
    notAfter,
  };
}
