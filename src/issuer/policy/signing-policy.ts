// May this caller have an SVID for this entry of this pod, and for how long? Every rule in the order
// in which it is asked, nothing else: no I/O, no state, no logging.

import { allow, type Decision, refuse } from '../../base/errors.ts';
import {
  type WorkloadKeyType,
  workloadKeyTypeOf,
} from '../../spiffe/x509-svid/workload-public-key.ts';
import { MAX_JWT_SVID_TTL, MAX_X509_SVID_TTL } from '../authority/authority-plan.ts';
import type { IssuableEntry, IssuablePod } from '../pod-source.ts';
import { REASON } from './reasons.ts';

export type EntryQuestion = {
  /** From the caller's token. */
  readonly node: string;
  readonly pod: IssuablePod | undefined;
  readonly viewIsFresh: boolean;
  readonly entryId: string;
  /** Precondition only: the SPIFFE ID last pushed for the entry. */
  readonly expectedSpiffeId: string;
  /** Milliseconds since the epoch. */
  readonly now: number;
};

export type Entitlement = { readonly pod: IssuablePod; readonly entry: IssuableEntry };

/** A deleted pod is served this long past its grace period, and never longer than the second. */
const DELETED_FOR_MS = 60_000;
const DELETED_AT_MOST_MS = 10 * 60_000;

export function decideEntry(question: EntryQuestion): Decision<Entitlement> {
  const { node, pod, entryId, expectedSpiffeId, now } = question;
  if (pod === undefined) return refuse(REASON.VIEW_BEHIND, 'pod: not known to this view');
  if (!question.viewIsFresh) return refuse(REASON.VIEW_BEHIND, 'view: too old to sign by');
  if (pod.node === '' || pod.node !== node) {
    return refuse(REASON.WRONG_NODE, "pod: not bound to the caller's node");
  }
  if (pod.phase === 'Succeeded' || pod.phase === 'Failed') {
    return refuse(REASON.POD_FINISHED, `pod: ${pod.phase}`);
  }
  if (pod.volumes.length === 0) {
    return refuse(REASON.NO_VOLUME, 'pod: declares no volume of our driver');
  }
  if (isDeletedForLong(pod, now)) return refuse(REASON.POD_DELETED, 'pod: deleted');
  const entry = pod.entries.find((candidate) => candidate.entryId === entryId);
  if (entry === undefined) {
    const reason = pod.entries.length === 0 && pod.refusal !== '' ? pod.refusal : REASON.ENTRY_GONE;
    return refuse(reason, 'entry: the pod does not have it');
  }
  if (entry.spiffeId !== expectedSpiffeId) {
    return refuse(REASON.ENTRY_CHANGED, 'entry: has another SPIFFE ID by now');
  }
  return allow({ pod, entry });
}

function isDeletedForLong(pod: IssuablePod, now: number): boolean {
  if (pod.deletionRequestedAt === undefined) return false;
  const graceMs = pod.deletionGraceSeconds * 1000;
  const allowed = Math.min(graceMs + DELETED_FOR_MS, DELETED_AT_MOST_MS);
  // Not `>`: of what is not a number, nothing is allowed.
  return !(now - pod.deletionRequestedAt <= allowed);
}

export type X509LifeQuestion = {
  readonly entry: IssuableEntry;
  /** Whether the pod's volume is published: it has, or will at once have, started. */
  readonly published: boolean;
  /** How often the entry was signed for the unpublished pod. */
  readonly prefetched: number;
  /** End of the authority that signs and of all above it, in milliseconds since the epoch. */
  readonly authorityEnd: number;
  readonly now: number;
};

export const DEFAULT_X509_TTL_SECONDS = 3600;
const PREFETCH_TTL_SECONDS = 600;
/** The first signature and two renewals. */
const PREFETCH_SIGNATURES = 3;
/** Verifiers' clocks may be behind ours by this much. */
const BACKDATE_MS = 60_000;

export type Life = { readonly notBefore: number; readonly notAfter: number };

export function decideX509Life(question: X509LifeQuestion): Decision<Life> {
  const { entry, published, now, authorityEnd } = question;
  if (!published && question.prefetched >= PREFETCH_SIGNATURES) {
    return refuse(REASON.PREFETCH_LIMIT, 'pod: signed for often enough without having started');
  }
  const seconds = Math.min(
    x509TtlSeconds(entry),
    published ? Number.POSITIVE_INFINITY : PREFETCH_TTL_SECONDS,
  );
  return allow({
    notBefore: now - BACKDATE_MS,
    notAfter: Math.min(now + seconds * 1000, authorityEnd),
  });
}

/** How long an SVID of the entry lives when nothing else ends sooner. */
export function x509TtlSeconds({ x509TtlSeconds: asked, limits }: IssuableEntry): number {
  return shortest(asked || DEFAULT_X509_TTL_SECONDS, limits.maxX509TtlSeconds, MAX_X509_SVID_TTL);
}

export type KeyQuestion = {
  /** Whether the key is no authority's and no other pod's; see KeyRegistry. */
  readonly isFree: boolean;
  readonly bytes: Uint8Array | undefined;
  /** What keys may be of; undefined: all types that certificates are made for. */
  readonly allowedTypes?: ReadonlySet<WorkloadKeyType> | undefined;
};

/** Whether it is a point of its curve is checked where the certificate is made. */
export function decideKey({ isFree, bytes, allowedTypes }: KeyQuestion): Decision<Uint8Array> {
  if (bytes === undefined) return refuse(REASON.KEY_NOT_ALLOWED, 'public key: missing');
  if (allowedTypes !== undefined) {
    const type = workloadKeyTypeOf(bytes);
    if (type === undefined || !allowedTypes.has(type)) {
      const message = `public key: ${type ?? 'of an unknown type'} is not allowed here`;
      return refuse(REASON.KEY_NOT_ALLOWED, message);
    }
  }
  if (!isFree) {
    return refuse(REASON.KEY_REUSE, "public key: an authority's, or in use by another pod");
  }
  return allow(bytes);
}

const DEFAULT_JWT_TTL_SECONDS = 300;

/** `audience` is not empty; see `checkAudience`. */
export function decideAudience({ limits }: IssuableEntry, audience: readonly string[]): Decision {
  if (limits.jwtDenied) return refuse(REASON.JWT_DENIED, 'entry: JWT-SVIDs are denied');
  const { allowedAudiences } = limits;
  if (allowedAudiences === undefined) return allow(undefined);
  if (!audience.every((one) => allowedAudiences.includes(one))) {
    return refuse(REASON.AUDIENCE_NOT_ALLOWED, 'audience: not one that the entry may ask for');
  }
  // With two, the first to receive the token could use it at the second.
  if (audience.length > 1) {
    return refuse(REASON.AUDIENCE_NOT_ALLOWED, 'audience: more than one under a list');
  }
  return allow(undefined);
}

/** End of a JWT-SVID issued now; times in milliseconds since the epoch. */
export function jwtExpiry(entry: IssuableEntry, now: number, authorityEnd: number): number {
  const seconds = shortest(
    entry.jwtTtlSeconds || DEFAULT_JWT_TTL_SECONDS,
    entry.limits.maxJwtTtlSeconds,
    MAX_JWT_SVID_TTL,
  );
  return Math.min(now + seconds * 1000, authorityEnd);
}

function shortest(asked: number, limit: number, cap: number): number {
  return Math.min(asked, limit || Number.POSITIVE_INFINITY, cap);
}
