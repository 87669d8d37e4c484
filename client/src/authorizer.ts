// Who may be at the other end of a connection. An authorizer names the trust domains it takes peers
// from, so that authorities of no other ever count for its connections.

import { allow, type Decision, refuse } from '../../src/base/errors.ts';
import {
  parseSpiffeId,
  parseTrustDomainOrId,
  type SpiffeId,
  type TrustDomain,
  trustDomainOf,
} from '../../src/spiffe/spiffe-id.ts';

export interface Authorizer {
  /** A server asks once, when it is made. */
  readonly trustDomains: ReadonlySet<TrustDomain>;
  /** Asked only about IDs that were proven, of a trust domain in `trustDomains`. */
  authorize(peer: SpiffeId): Decision;
}

/** One SPIFFE ID. */
export function exactly(spiffeId: string): Authorizer {
  return oneOf([spiffeId]);
}

/** Any of some SPIFFE IDs. */
export function oneOf(spiffeIds: readonly string[]): Authorizer {
  const expected = new Set(spiffeIds.map(parseSpiffeId));
  return {
    trustDomains: new Set([...expected].map(trustDomainOf)),
    authorize: (peer) =>
      expected.has(peer) ? allow(undefined) : refuse('UnexpectedPeer', `peer is ${peer}`),
  };
}

/** Every workload of a trust domain, given as its name or its SPIFFE ID. */
export function memberOf(trustDomain: string): Authorizer {
  const expected = parseTrustDomainOrId(trustDomain);
  return {
    trustDomains: new Set([expected]),
    authorize: (peer) =>
      trustDomainOf(peer) === expected
        ? allow(undefined)
        : refuse('UnexpectedTrustDomain', `peer is ${peer}`),
  };
}
