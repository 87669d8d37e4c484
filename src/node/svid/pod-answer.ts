// What a pod gets at this moment, as one immutable value: streams of its socket show exactly this,
// and each change is a new value. Workload API §4.3: every message is the full state.

import type { SpiffeId, TrustDomain } from '../../spiffe/spiffe-id.ts';

/** One identity a pod is entitled to. */
export type PodIdentity = {
  readonly entryId: string;
  readonly spiffeId: SpiffeId;
  readonly hint: string;
  readonly federatesWith: readonly TrustDomain[];
  readonly jwtDenied: boolean;
  readonly jwtSingleUse: boolean;
  readonly sdsDenied: boolean;
};

/** One with an SVID in hand. Times are milliseconds since the epoch. */
export type ServedIdentity = PodIdentity & {
  /** DER certificates, leaf first, concatenated. */
  readonly chain: Uint8Array;
  /** PKCS#8 DER. */
  readonly key: Uint8Array;
  readonly notBefore: number;
  readonly notAfter: number;
};

/** A trust domain's bundle in the two forms the Workload API hands out. */
export type WorkloadBundle = {
  readonly trustDomain: TrustDomain;
  readonly sequence: bigint;
  /** DER certificates, concatenated. */
  readonly x509: Uint8Array;
  /** A JWK Set document that holds `jwt-svid` keys only. */
  readonly jwks: Uint8Array;
  /** Names of the X.509 authorities, as DER in hex. */
  readonly rootNames: ReadonlySet<string>;
  /** The complete set of its revocation lists, DER; empty where none is known. */
  readonly crls: readonly Uint8Array[];
};

export type PodAnswer =
  /** Nothing is known yet: the plugin has just started, or the issuer's view lags. */
  | { readonly kind: 'unknown' }
  /** Entries are known, but no valid SVID is in hand. */
  | { readonly kind: 'pending' }
  /** Known, and nothing is served: the reason constant says why. */
  | { readonly kind: 'refused'; readonly reason: string }
  | {
      readonly kind: 'served';
      /** In order of preference: the first is the default identity (Workload API §8). */
      readonly identities: readonly ServedIdentity[];
      readonly own: WorkloadBundle;
      readonly federated: readonly WorkloadBundle[];
    };

export const UNKNOWN: PodAnswer = { kind: 'unknown' };
export const PENDING: PodAnswer = { kind: 'pending' };

/** Whether two answers would look the same to a workload. */
export function sameAnswer(a: PodAnswer, b: PodAnswer): boolean {
  if (a.kind === 'refused' && b.kind === 'refused') return a.reason === b.reason;
  if (a.kind !== 'served' || b.kind !== 'served') return a.kind === b.kind;
  return (
    a.own === b.own &&
    sameItems(a.identities, b.identities, sameIdentity) &&
    sameItems(a.federated, b.federated, Object.is)
  );
}

function sameIdentity(a: ServedIdentity, b: ServedIdentity): boolean {
  return (
    a.chain === b.chain &&
    a.hint === b.hint &&
    a.jwtDenied === b.jwtDenied &&
    a.jwtSingleUse === b.jwtSingleUse &&
    a.sdsDenied === b.sdsDenied
  );
}

function sameItems<T>(a: readonly T[], b: readonly T[], same: (x: T, y: T) => boolean): boolean {
  return a.length === b.length && a.every((item, index) => same(item, b[index] as T));
}
