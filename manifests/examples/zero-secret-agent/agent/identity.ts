// Who this agent is, and how it knows the others. Everything else here asks these two.

import { type Authorizer, exactly, JwtSource, trustDomainOf, X509Source } from '@signet/client';

export const certificates = new X509Source();
export const tokens = new JwtSource();
await certificates.ready();

export const me = certificates.svid.spiffeId;

/** One server of the namespace `backends`, and nobody else. */
export function backend(account: string): Authorizer {
  return exactly(`spiffe://${trustDomainOf(me)}/ns/backends/sa/${account}`);
}
