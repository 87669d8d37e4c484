// The public half of all authorities of a trust domain, as one document: certificates, phases and
// dates, no keys. Every change is one compare-and-swap of this document, so a crash leaves either
// the old state or the new one. Members this version does not know are kept as they are.

import { CodedError } from '../base/errors.ts';
import type { TrustDomain } from '../spiffe/spiffe-id.ts';

/**
 * - `root` signs intermediates; every live one is in the bundle.
 * - `intermediate` signs X.509-SVIDs and travels in their chain.
 * - `jwt` signs JWT-SVIDs; its public key is in the bundle.
 * - `serving` signs the certificates of our own endpoints and is in no bundle.
 */
export type AuthorityKind = 'root' | 'intermediate' | 'jwt' | 'serving';

/** prepared → published → active → retired → removed (then it is no longer in the document). */
export type AuthorityPhase = 'prepared' | 'published' | 'active' | 'retired';

export type Authority = {
  /** Digest of the public key; never used twice. */
  readonly id: string;
  readonly kind: AuthorityKind;
  readonly phase: AuthorityPhase;
  /** DER in base64, of all but `jwt`. */
  readonly certificate?: string;
  /** Public JWK, of `jwt` only. */
  readonly jwk?: Readonly<Record<string, string>>;
  /** The root that signed an intermediate. */
  readonly parent?: string;
  /** Seconds since the epoch. */
  readonly notBefore: number;
  readonly notAfter: number;
  readonly preparedAt: number;
  readonly publishedAt?: number;
  readonly activatedAt?: number;
  readonly retiredAt?: number;
  /** What an operator wants of it; the plan carries it out. */
  readonly order?: AuthorityOrder;
  /** Its revocation list, of `root` only: DER in base64. */
  readonly crl?: string;
  /** Of `root` only: what it signed and an operator revoked, until that would have ended. */
  readonly revoked?: readonly RevokedAuthority[];
};

export type RevokedAuthority = {
  /** Lower-case hex. */
  readonly serial: string;
  /** Seconds since the epoch. */
  readonly revokedAt: number;
  readonly notAfter: number;
};

/**
 * - `succeed`: have a successor ready now.
 * - `replace`: have its successor sign now, without waiting.
 * - `remove`: the same, and then out of the bundle and the store at once.
 */
export type AuthorityOrder = 'succeed' | 'replace' | 'remove';

export type AuthorityState = {
  readonly format: 1;
  /** The oldest versions that may read, and write, this document. */
  readonly minReader: number;
  readonly minWriter: number;
  readonly trustDomain: TrustDomain;
  /** SPIFFE bundle sequence: rises with every change of what the bundle holds. */
  readonly sequence: number;
  readonly authorities: readonly Authority[];
};

export const STATE_VERSION = 1;

export function emptyState(trustDomain: TrustDomain): AuthorityState {
  return {
    format: 1,
    minReader: STATE_VERSION,
    minWriter: STATE_VERSION,
    trustDomain,
    sequence: 0,
    authorities: [],
  };
}

/** The authorities whose certificates or keys the bundle holds. */
export function isInBundle(authority: Authority): boolean {
  const { kind, phase } = authority;
  return (kind === 'root' || kind === 'jwt') && phase !== 'prepared';
}

export function activeOf(state: AuthorityState, kind: AuthorityKind): Authority | undefined {
  return state.authorities.find(
    (authority) => authority.kind === kind && authority.phase === 'active',
  );
}

const PHASES: ReadonlySet<unknown> = new Set(['prepared', 'published', 'active', 'retired']);
const KINDS: ReadonlySet<unknown> = new Set(['root', 'intermediate', 'jwt', 'serving']);

/** Reads a stored document; throws `failed-precondition` when it must not be used. */
export function readState(value: unknown, trustDomain: TrustDomain): AuthorityState {
  const state = value as AuthorityState;
  if (state?.format !== 1 || !Array.isArray(state.authorities)) {
    throw damaged('not an authority state document');
  }
  if (state.minReader > STATE_VERSION) throw damaged('written for a newer version of Signet');
  if (state.trustDomain !== trustDomain) {
    throw damaged(`of trust domain ${state.trustDomain}, not ${trustDomain}`);
  }
  if (!Number.isSafeInteger(state.sequence)) throw damaged('sequence is not an integer');
  const ids = new Set<string>();
  const active = new Set<AuthorityKind>();
  for (const authority of state.authorities) {
    if (!isAuthority(authority)) throw damaged('an authority is malformed');
    const { id, kind, phase } = authority;
    if (ids.has(id)) throw damaged(`authority ${id} is there twice`);
    if (phase === 'active' && active.has(kind)) throw damaged(`two active ${kind} authorities`);
    ids.add(id);
    if (phase === 'active') active.add(kind);
  }
  return state;
}

const DATES = ['notBefore', 'notAfter', 'preparedAt'] as const;
const LATER_DATES = ['publishedAt', 'activatedAt', 'retiredAt'] as const;

function isAuthority(value: unknown): value is Authority {
  if (typeof value !== 'object' || value === null) return false;
  const authority = value as Authority;
  return (
    typeof authority.id === 'string' &&
    authority.id !== '' &&
    KINDS.has(authority.kind) &&
    PHASES.has(authority.phase) &&
    DATES.every((date) => Number.isSafeInteger(authority[date])) &&
    LATER_DATES.every((date) => Number.isSafeInteger(authority[date] ?? 0)) &&
    typeof (authority.crl ?? '') === 'string' &&
    isListOfRevoked(authority.revoked ?? [])
  );
}

function isListOfRevoked(value: unknown): boolean {
  return (
    Array.isArray(value) &&
    value.every(
      (one: Partial<RevokedAuthority> | null) =>
        typeof one?.serial === 'string' &&
        SERIAL.test(one.serial) &&
        Number.isSafeInteger(one.revokedAt) &&
        Number.isSafeInteger(one.notAfter),
    )
  );
}

/** Hex of at most 20 octets. */
export const SERIAL = /^(?:[0-9a-f]{2}){1,20}$/;

/** The stored state, or what belongs to it, must not be used as it is. */
export function damaged(why: string): CodedError {
  return new CodedError('failed-precondition', `authority state: ${why}`, {
    reason: 'StateDamaged',
  });
}
