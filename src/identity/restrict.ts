// What IdentityRestrictions take away. They only ever deny: several add up, and the strictest wins.

import { TRUST_LEVEL_CLAIM } from '../crds/claim-names.ts';
import type { IdentityRestriction } from '../crds/identity-restriction-policy.ts';
import type { SpiffeId } from '../spiffe/spiffe-id.ts';
import type { PodObject } from './objects.ts';

/** What restrictions leave of an identity. */
export type Limits = {
  /** The restriction that suspends it. */
  readonly suspendedBy: string | undefined;
  readonly jwtDenied: boolean;
  readonly sdsDenied: boolean;
  /** Undefined: any audience. */
  readonly allowedAudiences: readonly string[] | undefined;
  /** 0: no limit. */
  readonly maxX509TtlSeconds: number;
  readonly maxJwtTtlSeconds: number;
};

export const NO_LIMITS: Limits = {
  suspendedBy: undefined,
  jwtDenied: false,
  sdsDenied: false,
  allowedAudiences: undefined,
  maxX509TtlSeconds: 0,
  maxJwtTtlSeconds: 0,
};

/** What of an identity a restriction looks at. */
export type RestrictedIdentity = {
  readonly spiffeId: SpiffeId;
  readonly jwtClaims: Readonly<Record<string, string>>;
};

/** What of a pod restrictions match by. */
export type RestrictedPod = Pick<
  PodObject,
  'uid' | 'namespace' | 'serviceAccount' | 'nodeName' | 'owners'
>;

/** An identity of the past; without a trust level nothing that asks for one is about it. */
export type JudgedIdentity = {
  readonly spiffeId: SpiffeId;
  readonly trustLevel: string | undefined;
};

/** Those that suspend one identity of a pod at a time, in milliseconds since the epoch. */
export function suspensionsOf(
  pod: RestrictedPod,
  identity: JudgedIdentity,
  { restrictions, now }: { restrictions: Iterable<IdentityRestriction>; now: number },
): readonly IdentityRestriction[] {
  return [...restrictions].filter(
    (each) =>
      each.suspend &&
      isInForce(each, now) &&
      matchesPod(each, pod) &&
      matchesIdentity(each, identity),
  );
}

/** The limits of one identity of a pod at a time, in milliseconds since the epoch. */
export function limitsOf(
  pod: PodObject,
  identity: RestrictedIdentity,
  { restrictions, now }: { restrictions: Iterable<IdentityRestriction>; now: number },
): Limits {
  let limits = NO_LIMITS;
  const { spiffeId, jwtClaims } = identity;
  const judged = { spiffeId, trustLevel: jwtClaims[TRUST_LEVEL_CLAIM] ?? '' };
  for (const restriction of restrictions) {
    if (!isInForce(restriction, now) || !matchesPod(restriction, pod)) continue;
    if (matchesIdentity(restriction, judged)) limits = tighten(limits, restriction);
  }
  return limits;
}

export function isInForce({ until }: IdentityRestriction, now: number): boolean {
  return until === undefined || now < until;
}

/** Whether the parts of a match that are about the pod hold; its ID is another matter. */
export function matchesPod({ match }: IdentityRestriction, pod: RestrictedPod): boolean {
  const { namespace, serviceAccount, podUid, node, owner } = match;
  return (
    (namespace === undefined || namespace === pod.namespace) &&
    (serviceAccount === undefined || serviceAccount === pod.serviceAccount) &&
    (podUid === undefined || podUid === pod.uid) &&
    (node === undefined || node === pod.nodeName) &&
    (owner === undefined ||
      pod.owners.some(
        (each) =>
          each.kind === owner.kind &&
          each.name === owner.name &&
          (owner.uid === undefined || owner.uid === each.uid),
      ))
  );
}

function matchesIdentity(
  { match }: IdentityRestriction,
  { spiffeId, trustLevel }: JudgedIdentity,
): boolean {
  const { spiffeId: exact, spiffeIdPrefix: prefix, trustLevels, exceptTrustLevels } = match;
  const isOfLevel = (levels: readonly string[]) =>
    trustLevel !== undefined && levels.includes(trustLevel);
  return (
    (exact === undefined || exact === spiffeId) &&
    (prefix === undefined || isAtOrBelow(spiffeId, prefix)) &&
    (trustLevels === undefined || isOfLevel(trustLevels)) &&
    (exceptTrustLevels === undefined || (trustLevel !== undefined && !isOfLevel(exceptTrustLevels)))
  );
}

// By whole segments: a prefix `…/a` is about `…/a` and `…/a/b`, never about `…/ab`.
function isAtOrBelow(spiffeId: SpiffeId, prefix: string): boolean {
  const root = prefix.endsWith('/') ? prefix.slice(0, -1) : prefix;
  return (
    spiffeId.startsWith(root) && (spiffeId.length === root.length || spiffeId[root.length] === '/')
  );
}

function tighten(limits: Limits, by: IdentityRestriction): Limits {
  return {
    suspendedBy: limits.suspendedBy ?? (by.suspend ? by.name : undefined),
    jwtDenied: limits.jwtDenied || by.jwtDenied,
    sdsDenied: limits.sdsDenied || by.sdsDenied,
    allowedAudiences: intersection(limits.allowedAudiences, by.allowedAudiences),
    maxX509TtlSeconds: stricter(limits.maxX509TtlSeconds, by.maxX509TtlSeconds),
    maxJwtTtlSeconds: stricter(limits.maxJwtTtlSeconds, by.maxJwtTtlSeconds),
  };
}

/** The smaller of two limits of which 0 is none. */
export function stricter(a: number, b: number): number {
  if (a === 0 || b === 0) return a + b;
  return Math.min(a, b);
}

function intersection(
  a: readonly string[] | undefined,
  b: readonly string[] | undefined,
): readonly string[] | undefined {
  if (a === undefined || b === undefined) return a ?? b;
  return a.filter((audience) => b.includes(audience));
}
