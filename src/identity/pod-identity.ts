// What a pod gets, as the issuer needs it: after masking and restrictions, in order of preference.

import type { LabelSelector } from '../crds/label-selector.ts';
import type { SpiffeId, TrustDomain } from '../spiffe/spiffe-id.ts';
import type { PodObject } from './objects.ts';
import { type Limits, type RestrictedIdentity, stricter } from './restrict.ts';
import type { Fate, Winner } from './settle.ts';

export type PodIdentity = {
  readonly policy: string;
  /** Stays the same over edits of the policy: a policy gives a pod at most one entry. */
  readonly policyUid: string;
  readonly generation: number;
  readonly spiffeId: SpiffeId;
  readonly selectors: readonly string[];
  readonly dnsNames: readonly string[];
  readonly commonName: string;
  /** Seconds; 0: the default. */
  readonly x509TtlSeconds: number;
  readonly jwtTtlSeconds: number;
  /** Unique among the pod's identities, or ''. */
  readonly hint: string;
  readonly federatesWith: readonly TrustDomain[];
  /** And all foreign trust domains whose objects have such labels. */
  readonly federatesWithMatching?: LabelSelector | undefined;
  readonly jwtClaims: Readonly<Record<string, string>>;
  readonly jwtIncludeJti: boolean;
  readonly limits: Limits;
};

export type PodDecision = {
  readonly pod: PodObject;
  /** Without those that are suspended. */
  readonly identities: readonly PodIdentity[];
  /** Why there are none; '' when there are. */
  readonly refusal: RefusalReason | '';
};

/** Reason constants, in the order in which the first that applies is given. */
export type RefusalReason =
  | 'Suspended'
  | 'NodePod'
  /** Not known well enough to say; never a reason to end anything. */
  | 'ViewBehind'
  | 'RenderFailed'
  | 'EntryRefused'
  | 'Undecidable'
  | 'NoPolicy';

export function toIdentities(
  winners: readonly Winner[],
  limitsOf: (identity: RestrictedIdentity) => Limits,
): readonly PodIdentity[] {
  const hints = new Set<string>();
  const identities: PodIdentity[] = [];
  for (const { entry, masked } of winners) {
    const limits = limitsOf(entry);
    if (limits.suspendedBy !== undefined) continue;
    const { policy } = entry;
    const all = [policy, ...masked.map((other) => other.policy)];
    // Workload API §5.2.1: a hint is unique; the first keeps it (PF-04).
    const hint = hints.has(policy.hint) ? '' : policy.hint;
    if (hint !== '') hints.add(hint);
    identities.push({
      policy: policy.name,
      policyUid: policy.uid,
      generation: policy.generation,
      spiffeId: entry.spiffeId,
      selectors: entry.selectors,
      dnsNames: entry.dnsNames,
      commonName: entry.commonName,
      x509TtlSeconds: all.map((each) => each.x509TtlSeconds).reduce(stricter),
      jwtTtlSeconds: all.map((each) => each.jwtTtlSeconds).reduce(stricter),
      hint,
      federatesWith: policy.federatesWith,
      federatesWithMatching: policy.federatesWithMatching,
      jwtClaims: entry.jwtClaims,
      jwtIncludeJti: policy.jwtIncludeJti,
      limits,
    });
  }
  return identities;
}

/** Why a pod without identities has none. */
export function refusalOf(fates: readonly Fate[]): RefusalReason {
  for (const reason of ['ViewBehind', 'RenderFailed', 'EntryRefused', 'Undecidable'] as const) {
    if (fates.includes(reason)) return reason;
  }
  return 'NoPolicy';
}
