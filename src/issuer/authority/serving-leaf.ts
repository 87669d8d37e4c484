// The TLS certificates of our own endpoints: made by the authority role from the serving authority, or as an
// X509-SVID from the intermediate, read by issuer and controller as documents of their own, so that
// neither needs the key of who signed.

import { type Authority, damaged } from '../../authorities/authority-state.ts';
import { createServingLeaf, type X509Authority } from '../../spiffe/authority/x509-authority.ts';
import { bundleEndpointId, issuerEndpointId } from '../../spiffe/issuer-endpoint-id.ts';
import { parseSpiffeId, type SpiffeId, type TrustDomain } from '../../spiffe/spiffe-id.ts';
import { encodeKey, type ServingDocumentName, type StoredDocument } from './authority-store.ts';

export type ServingLeafDocument = {
  readonly format: 1;
  /** DER in base64. */
  readonly certificate: string;
  /** PKCS#8 DER in base64. */
  readonly key: string;
  /** The authority that signed it. */
  readonly authority: string;
  /** DER in base64 of what follows it in the handshake: the intermediate of an X509-SVID. */
  readonly chain?: readonly string[];
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
  /** The serving authority, or for an X509-SVID the intermediate; both are the active ones. */
  readonly signedBy: 'serving' | 'intermediate';
};

/** Node plugins know the issuer by its ID alone. */
export function issuerEndpoint(trustDomain: TrustDomain): Endpoint {
  return {
    document: 'issuer-serving',
    spiffeId: issuerEndpointId(trustDomain),
    dnsNames: [],
    signedBy: 'serving',
  };
}

/** Peers of other trust domains know the bundle endpoint by this ID, and by our bundle. */
export function bundleEndpoint(trustDomain: TrustDomain): Endpoint {
  const spiffeId = bundleEndpointId(trustDomain);
  return { document: 'bundle-endpoint', spiffeId, dnsNames: [], signedBy: 'intermediate' };
}

/** API servers know the webhook by the name of its Service. */
export function controllerEndpoint(
  trustDomain: TrustDomain,
  dnsNames: readonly string[],
): Endpoint {
  const spiffeId = parseSpiffeId(`spiffe://${trustDomain}/signet/controller`);
  return { document: 'controller-serving', spiffeId, dnsNames, signedBy: 'serving' };
}

const LIFETIME_SECONDS = 30 * 24 * 3600;
const BACKDATE_SECONDS = 24 * 3600;
/** Of an X509-SVID: no longer than a workload's may live, and no earlier than one begins. */
const SVID_LIFETIME_SECONDS = 24 * 3600;
const SVID_BACKDATE_SECONDS = 60;

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
  authority: Authority,
  { endpoint, now }: { readonly endpoint: Endpoint; readonly now: number },
): boolean {
  const leaf = document?.value as Partial<ServingLeafDocument> | undefined;
  const { notBefore, notAfter, dnsNames = [] } = leaf ?? {};
  if (leaf?.authority !== authority.id || notBefore === undefined || notAfter === undefined) {
    return true;
  }
  if (JSON.stringify(dnsNames) !== JSON.stringify(endpoint.dnsNames)) return true;
  return now < notBefore || now >= (notBefore + notAfter) / 2;
}

export async function makeServingLeaf(
  authority: Authority,
  signedBy: X509Authority,
  context: { readonly trustDomain: TrustDomain; readonly endpoint: Endpoint; readonly now: number },
): Promise<ServingLeafDocument> {
  const { trustDomain, endpoint, now } = context;
  const { spiffeId, dnsNames } = endpoint;
  const isSvid = endpoint.signedBy === 'intermediate';
  const notBefore = now - (isSvid ? SVID_BACKDATE_SECONDS : BACKDATE_SECONDS);
  const lifetime = isSvid ? SVID_LIFETIME_SECONDS : LIFETIME_SECONDS;
  const notAfter = Math.min(now + lifetime, authority.notAfter);
  const { certificateDer, privateKey } = await createServingLeaf({
    trustDomain,
    spiffeId,
    dnsNames,
    notBefore: notBefore * 1000,
    notAfter: notAfter * 1000,
    signedBy,
    isServerOnly: isSvid,
  });
  return {
    format: 1,
    certificate: Buffer.from(certificateDer).toString('base64'),
    key: encodeKey(privateKey),
    authority: authority.id,
    ...(isSvid ? { chain: [Buffer.from(signedBy.certificateDer).toString('base64')] } : {}),
    ...(dnsNames.length === 0 ? {} : { dnsNames }),
    notBefore,
    notAfter,
  };
}
