// What issuers say together of revoked certificates: the entries, with why each is there, and the signed
// list of every intermediate. One public document, replaced by compare-and-swap. With the lists of roots,
// which are in the authority state, it makes the complete set that verifiers need.

import { readCertificate } from '../spiffe/certificate/certificate.ts';
import { type Crl, checkCrlOf, readCrl } from '../spiffe/crl/crl.ts';
import type { TrustDomain } from '../spiffe/spiffe-id.ts';
import { type Authority, type AuthorityState, damaged, SERIAL } from './authority-state.ts';
import { certificateOf } from './public-bundle.ts';

export type RevokedCertificate = {
  /** Lower-case hex. */
  readonly serial: string;
  /** Seconds since the epoch. */
  readonly notAfter: number;
  readonly revokedAt: number;
  /** The intermediate that signed it; one that is not known is on the lists of all. */
  readonly authority?: string;
  /** For now: it comes off when no restriction of `by` suspends any more. */
  readonly held: boolean;
  /** Names of the IdentityRestrictions that suspended it. */
  readonly by: readonly string[];
};

export type RevocationDocument = {
  readonly format: 1;
  readonly minReader: number;
  readonly trustDomain: TrustDomain;
  /** How new the view of restrictions was that it was last written by. */
  readonly restrictionVersion: string;
  readonly revoked: readonly RevokedCertificate[];
  /** By authority: DER in base64. */
  readonly lists: Readonly<Record<string, string>>;
};

const VERSION = 1;

export function noRevocations(trustDomain: TrustDomain): RevocationDocument {
  return {
    format: 1,
    minReader: VERSION,
    trustDomain,
    restrictionVersion: '0',
    revoked: [],
    lists: {},
  };
}

/** Throws `failed-precondition`: what is not understood must not pass for an empty one. */
export function readRevocations(value: unknown, trustDomain: TrustDomain): RevocationDocument {
  const document = value as RevocationDocument | null;
  const isShaped =
    document?.format === 1 &&
    Array.isArray(document.revoked) &&
    /^\d{1,20}$/.test(document.restrictionVersion) &&
    typeof document.lists === 'object' &&
    document.lists !== null;
  if (!isShaped) throw damaged('not a document of revocations');
  if (document.minReader > VERSION) throw damaged('revocations: written by a newer version');
  if (document.trustDomain !== trustDomain) throw damaged('revocations: of another trust domain');
  if (!document.revoked.every(isRevokedCertificate)) throw damaged('a revocation is malformed');
  if (!Object.values(document.lists).every((list: unknown) => typeof list === 'string')) {
    throw damaged('a revocation list is malformed');
  }
  return document;
}

function isRevokedCertificate(value: unknown): value is RevokedCertificate {
  const one = value as Partial<RevokedCertificate> | null;
  return (
    typeof one?.serial === 'string' &&
    SERIAL.test(one.serial) &&
    Number.isSafeInteger(one.notAfter) &&
    Number.isSafeInteger(one.revokedAt) &&
    typeof (one.authority ?? '') === 'string' &&
    typeof one.held === 'boolean' &&
    Array.isArray(one.by) &&
    one.by.every((name: unknown) => typeof name === 'string')
  );
}

/** Intermediates that something which is valid may be signed by, now or soon. */
export function liveIntermediates(state: AuthorityState, now: number): readonly Authority[] {
  return state.authorities.filter(
    ({ kind, phase, notAfter }) =>
      kind === 'intermediate' && phase !== 'prepared' && now < notAfter * 1000,
  );
}

/** One signed list and who signed it. */
export type PublishedCrl = { readonly crl: Crl; readonly authority: Authority };

/**
 * The lists of every live intermediate and of the roots; empty while one is missing that somebody needs:
 * whoever checks whole chains would refuse everybody over it. `now` is in milliseconds since the epoch.
 */
export function completeSet(
  state: AuthorityState,
  { lists }: Pick<RevocationDocument, 'lists'>,
  now: number,
): readonly PublishedCrl[] {
  const intermediates = liveIntermediates(state, now);
  const set: PublishedCrl[] = [];
  for (const authority of intermediates) {
    const list = Object.hasOwn(lists, authority.id) ? lists[authority.id] : undefined;
    const crl = readListOf(authority, list, now);
    if (crl === undefined) return [];
    set.push({ crl, authority });
  }
  for (const authority of state.authorities) {
    if (authority.kind !== 'root' || authority.phase === 'prepared') continue;
    const crl = readListOf(authority, authority.crl, now);
    if (crl !== undefined) set.push({ crl, authority });
    else if (intermediates.some(({ parent }) => parent === authority.id)) return [];
  }
  return set;
}

/** The authority's own list, from base64, if it is good at the time. */
export function readListOf(
  authority: Authority,
  list: string | undefined,
  now: number,
): Crl | undefined {
  if (list === undefined) return undefined;
  try {
    // Kept for long, so not as a slice of a shared pool.
    const crl = readCrl(new Uint8Array(Buffer.from(list, 'base64')));
    checkCrlOf(crl, readCertificate(certificateOf(authority)));
    return now < crl.nextUpdate ? crl : undefined;
  } catch {
    return undefined;
  }
}
