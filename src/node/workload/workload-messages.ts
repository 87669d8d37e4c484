// A pod's answer as the messages of the Workload API: DER only, complete, own trust domain first.

import type { MessageInitShape } from '@bufbuild/protobuf';
import { allow, type Decision, invalid, refuse } from '../../base/errors.ts';
import { parseSpiffeId, trustDomainId } from '../../spiffe/spiffe-id.ts';
import type {
  JWTBundlesResponseSchema,
  X509BundlesResponseSchema,
  X509SVIDResponseSchema,
} from '../../transport/gen/spiffe/workload_pb.ts';
import type { PodAnswer, ServedIdentity, WorkloadBundle } from '../svid/pod-answer.ts';

export type ServedAnswer = Extract<PodAnswer, { kind: 'served' }>;

/** FetchX509SVID (§5.2.1): the first SVID is the default identity, its order is the answer's. */
export function x509Svids(served: ServedAnswer): MessageInitShape<typeof X509SVIDResponseSchema> {
  return {
    svids: withUniqueHints(served.identities).map((identity) => ({
      spiffeId: identity.spiffeId,
      x509Svid: identity.chain,
      x509SvidKey: identity.key,
      bundle: served.own.x509,
      hint: identity.hint,
    })),
    crl: [...served.own.crls],
    federatedBundles: byId(served.federated, (bundle) => bundle.x509),
  };
}

/** FetchX509Bundles (§5.2.2). */
export function x509Bundles(
  served: ServedAnswer,
): MessageInitShape<typeof X509BundlesResponseSchema> {
  const bundles = byId([served.own, ...served.federated], (bundle) => bundle.x509);
  return { crl: [...served.own.crls], bundles };
}

/** FetchJWTBundles (§6.2.2). */
export function jwtBundles(
  served: ServedAnswer,
): MessageInitShape<typeof JWTBundlesResponseSchema> {
  return { bundles: byId([served.own, ...served.federated], (bundle) => bundle.jwks) };
}

/** Whether two answers hold the very same bundles, revocation lists included. */
export function sameBundles(a: ServedAnswer, b: ServedAnswer): boolean {
  return a.own === b.own && sameFederated(a, b, Object.is);
}

/** Whether they hold the same JWT bundles. */
export function sameJwtBundles(a: ServedAnswer, b: ServedAnswer): boolean {
  const isSame = (one: WorkloadBundle, other: WorkloadBundle | undefined) =>
    one.trustDomain === other?.trustDomain && Buffer.compare(one.jwks, other.jwks) === 0;
  return isSame(a.own, b.own) && sameFederated(a, b, isSame);
}

function sameFederated(
  a: ServedAnswer,
  b: ServedAnswer,
  isSame: (one: WorkloadBundle, other: WorkloadBundle | undefined) => boolean,
): boolean {
  return (
    a.federated.length === b.federated.length &&
    a.federated.every((bundle, index) => isSame(bundle, b.federated[index]))
  );
}

/**
 * The identities a FetchJWTSVID asks for (§6.2.1): all of them, or the one named; one that the pod
 * is not entitled to is refused, never replaced by another.
 */
export function jwtIdentities(
  served: ServedAnswer,
  spiffeId: string,
): Decision<readonly ServedIdentity[]> {
  const named =
    spiffeId === ''
      ? served.identities
      : served.identities.filter((identity) => identity.spiffeId === requireId(spiffeId));
  if (named.length === 0) return refuse('NotEntitled', 'not an identity of this pod');
  const allowed = named.filter((identity) => !identity.jwtDenied);
  if (allowed.length === 0) return refuse('JwtDenied', 'JWT-SVIDs are denied to this identity');
  return allow(withUniqueHints(allowed));
}

function requireId(text: string): string {
  try {
    return parseSpiffeId(text);
  } catch (thrown) {
    throw invalid('spiffe_id: not a SPIFFE ID', thrown);
  }
}

// §5.2.1: a hint is unique in a response; the first keeps it (PF-04).
function withUniqueHints(identities: readonly ServedIdentity[]): readonly ServedIdentity[] {
  const seen = new Set<string>();
  return identities.map((identity) => {
    if (identity.hint === '' || !seen.has(identity.hint)) {
      seen.add(identity.hint);
      return identity;
    }
    return { ...identity, hint: '' };
  });
}

// Keyed by the trust domain's SPIFFE ID. Some clients drop a whole answer over one empty bundle, so
// an empty one is left out.
function byId(
  bundles: readonly WorkloadBundle[],
  bytes: (bundle: WorkloadBundle) => Uint8Array,
): Record<string, Uint8Array> {
  return Object.fromEntries(
    bundles
      .filter((bundle) => bytes(bundle).length > 0)
      .map((bundle) => [trustDomainId(bundle.trustDomain), bytes(bundle)]),
  );
}
