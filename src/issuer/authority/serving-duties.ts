// What the authority role does for our own endpoints once the authorities are at rest: their
// certificates, and the list of authorities that those who dial them trust.

import { type AuthorityState, activeOf } from '../../authorities/authority-state.ts';
import { formatPemCertificate } from '../../spiffe/pem.ts';
import type { TrustDomain } from '../../spiffe/spiffe-id.ts';
import { type Found, signerOf } from './authority-documents.ts';
import type { AuthorityStore } from './authority-store.ts';
import { type Endpoint, makeServingLeaf, needsServingLeaf } from './serving-leaf.ts';

export type ServingDutiesOptions = {
  readonly trustDomain: TrustDomain;
  readonly store: AuthorityStore;
  readonly endpoints: readonly Endpoint[];
  /** Shows the authorities, as PEM, to those who dial; true when they were others before. */
  readonly publishCa?: (pem: string) => Promise<boolean>;
  /** Writes down what is about to be stored; when it throws, nothing is. */
  readonly note: (authorityId: string, detail: string) => void;
};

/** Does one thing that is due; false when nothing is. */
export async function doServingDuty(found: Found, options: ServingDutiesOptions): Promise<boolean> {
  const { store, trustDomain, endpoints, publishCa, note } = options;
  const { now, state } = found;
  const serving = activeOf(state, 'serving');
  if (serving === undefined) return false;
  // First: nobody shall meet a certificate whose authority is not shown yet.
  if (publishCa !== undefined && (await publishCa(servingCaOf(state)))) return true;
  for (const endpoint of endpoints) {
    const authority = activeOf(state, endpoint.signedBy);
    if (authority === undefined) continue;
    const document = await store.read(endpoint.document);
    if (!needsServingLeaf(document, authority, { endpoint, now })) continue;
    const signedBy = signerOf(found, authority);
    const leaf = await makeServingLeaf(authority, signedBy, { trustDomain, endpoint, now });
    note(authority.id, `create ${endpoint.document} certificate`);
    await store.write(endpoint.document, leaf, document?.version);
    return true;
  }
  return false;
}

/** PEM of every serving authority that may have signed what is met now or soon. */
function servingCaOf({ authorities }: AuthorityState): string {
  return authorities
    .filter(({ kind, phase }) => kind === 'serving' && phase !== 'prepared')
    .map(({ certificate = '' }) => formatPemCertificate(Buffer.from(certificate, 'base64')))
    .join('');
}
