// The IDs that certificates of our own endpoints carry: their maker and those who dial must agree.

import { parseSpiffeId, type SpiffeId, type TrustDomain } from './spiffe-id.ts';

/** What a node plugin expects to find at the other end of its channel. */
export function issuerEndpointId(trustDomain: TrustDomain): SpiffeId {
  return parseSpiffeId(`spiffe://${trustDomain}/signet/issuer`);
}

/** What peers of other trust domains expect at our bundle endpoint, with profile https_spiffe. */
export function bundleEndpointId(trustDomain: TrustDomain): SpiffeId {
  return parseSpiffeId(`spiffe://${trustDomain}/signet/bundle-endpoint`);
}
