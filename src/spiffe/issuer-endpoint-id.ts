// The ID that an issuer's serving certificate carries: its maker and those who dial it must agree.

import { parseSpiffeId, type SpiffeId, type TrustDomain } from './spiffe-id.ts';

/** What a node plugin expects to find at the other end of its channel. */
export function issuerEndpointId(trustDomain: TrustDomain): SpiffeId {
  return parseSpiffeId(`spiffe://${trustDomain}/signet/issuer`);
}
