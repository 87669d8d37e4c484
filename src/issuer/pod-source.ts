// What the issuer needs to know of pods and of other trust domains. Whoever derives identities
// implements this; the issuer asks anew for every signature.

import type { LabelSelector } from '../crds/label-selector.ts';
import type { OwnerReference } from '../identity/objects.ts';
import type { Bundle } from '../spiffe/bundle/bundle.ts';
import type { SpiffeId, TrustDomain } from '../spiffe/spiffe-id.ts';

/** What restricts an entry, the strictest of all restrictions that match. */
export type EntryLimits = {
  readonly jwtDenied: boolean;
  readonly sdsDenied: boolean;
  /** Undefined: any audience. */
  readonly allowedAudiences: readonly string[] | undefined;
  /** Seconds; 0: no limit of its own. */
  readonly maxX509TtlSeconds: number;
  readonly maxJwtTtlSeconds: number;
};

/** One identity of one pod, as derived from its policy now. */
export type IssuableEntry = {
  /** UID of the policy: stable across its edits. */
  readonly entryId: string;
  /** Name of the policy, and which generation of it. */
  readonly policy: string;
  readonly generation?: number;
  readonly spiffeId: SpiffeId;
  readonly hint: string;
  readonly dnsNames: readonly string[];
  readonly commonName: string;
  /** Seconds; 0: the default. */
  readonly x509TtlSeconds: number;
  readonly jwtTtlSeconds: number;
  readonly federatesWith: readonly TrustDomain[];
  /** And all foreign trust domains whose objects have such labels. */
  readonly federatesWithMatching?: LabelSelector | undefined;
  readonly jwtClaims: Readonly<Record<string, string>>;
  readonly jwtIncludeJti: boolean;
  readonly limits: EntryLimits;
};

export type IdentityOfEntry = Pick<IssuableEntry, 'entryId' | 'spiffeId' | 'jwtClaims'>;

export type IssuablePod = {
  readonly uid: string;
  readonly namespace: string;
  readonly name: string;
  readonly serviceAccount: string;
  /** Where it is bound; '' before that. */
  readonly node: string;
  readonly phase: string;
  /** Milliseconds since the epoch. */
  readonly deletionRequestedAt: number | undefined;
  readonly deletionGraceSeconds: number;
  readonly version: bigint;
  /** In order of preference; what is suspended is left out. */
  readonly entries: readonly IssuableEntry[];
  /** What is left out for that; default: none. */
  readonly suspended?: readonly IdentityOfEntry[];
  /** Default: none. */
  readonly owners?: readonly OwnerReference[];
  /** Reason constant when there are no entries. */
  readonly refusal: string;
  /** The pod's volumes of our driver. */
  readonly volumes: readonly {
    readonly name: string;
    readonly attributes: Readonly<Record<string, string>>;
  }[];
};

export type PodChange = {
  readonly podUid: string;
  readonly node: string;
  /** The pod object is gone. */
  readonly gone: boolean;
};

/** A certificate, as restrictions see it. */
export type RestrictedCertificate = {
  readonly podUid: string;
  readonly entryId: string;
  readonly node: string;
  readonly namespace: string;
  readonly serviceAccount: string;
  /** Undefined: that of the entry now. */
  readonly spiffeId?: string;
  /** For when the pod is gone: its owners, and the claim agent_trust_level of the entry, or ''. */
  readonly owners?: readonly OwnerReference[];
  readonly trustLevel?: string;
};

export type Suspension = {
  /** Of the restriction. */
  readonly name: string;
  /** It says of no end. */
  readonly isForGood: boolean;
};

export type PodSource = {
  pod(uid: string): IssuablePod | undefined;
  podsOn(node: string): Iterable<IssuablePod>;
  /** Whether no such pod exists, for certain: not that none is known. Default: never certain. */
  isGone?(uid: string): boolean;
  /** Of the whole view; a pod's own version is never higher. */
  readonly version: bigint;
  readonly restrictionVersion: bigint;
  /**
   * Every restriction up to this version is in the view, where that may be more than the version of
   * the last one; default: the same.
   */
  readonly restrictionsKnownTo?: bigint;
  /** Names of the restrictions that suspend somebody now; default: none. */
  suspensions?(): ReadonlySet<string>;
  /** Those of them that are about a certificate, whether or not its pod still exists. */
  suspending?(certificate: RestrictedCertificate): readonly Suspension[];
  /** Whether the view is new enough to sign by. */
  readonly isFresh: () => boolean;
  /** Calls `listener` on every change until the returned function is called. */
  onChange(listener: (change: PodChange) => void): () => void;
};

/** A foreign trust domain: its bundle, and the labels of the object that declares it. */
export type FederatedTrustDomain = {
  readonly bundle: Bundle;
  readonly labels: Readonly<Record<string, string>>;
};

/** Bundles of other trust domains, complete. */
export type FederationSource = {
  federatedTrustDomains(): Iterable<FederatedTrustDomain>;
  onFederationChange(listener: () => void): () => void;
};
