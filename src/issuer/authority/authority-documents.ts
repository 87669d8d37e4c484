// One look at everything the authority role has stored: the state, the keys, and what can be said of
// the key of a standby root that nobody who runs may read. Says when they do not belong together.

import {
  type Authority,
  type AuthorityKind,
  type AuthorityState,
  damaged,
  emptyState,
  readState,
  STATE_VERSION,
} from '../../authorities/authority-state.ts';
import type { Clock } from '../../base/clock.ts';
import { CodedError } from '../../base/errors.ts';
import { checkKeyOfCertificate } from '../../spiffe/authority/authority-certificate.ts';
import type { X509Authority } from '../../spiffe/authority/x509-authority.ts';
import { readCertificate } from '../../spiffe/certificate/certificate.ts';
import type { TrustDomain } from '../../spiffe/spiffe-id.ts';
import type { ParentAuthority } from './authority-maker.ts';
import {
  type AuthorityStore,
  decodeKey,
  KEY_DOCUMENTS,
  type KeyDocumentName,
  readKeys,
  type StoredDocument,
} from './authority-store.ts';

export type FoundKeys = {
  readonly name: KeyDocumentName;
  readonly stored: StoredDocument | undefined;
  readonly keys: ReadonlyMap<string, string>;
  /** False when this role may not look. */
  readonly isReadable: boolean;
};

export type Found = {
  readonly documents: readonly FoundKeys[];
  readonly state: AuthorityState;
  readonly version: string | undefined;
  /** Authorities whose key is stored, read or not. */
  readonly keys: ReadonlySet<string>;
  /** Why the key of a new standby root could not be stored; all else goes on. */
  readonly standbyProblem: CodedError | undefined;
  /** Seconds since the epoch, for the whole step. */
  readonly now: number;
};

export type FindOptions = {
  readonly trustDomain: TrustDomain;
  readonly store: AuthorityStore;
  readonly clock: Clock;
};

// Keys before state: a key whose authority is not in the later state was removed for good, and is
// not one that somebody is just adding.
export async function findDocuments(options: FindOptions): Promise<Found> {
  const { store, trustDomain, clock } = options;
  const now = Math.floor(clock.now() / 1000);
  const documents: FoundKeys[] = [];
  for (const name of KEY_DOCUMENTS) documents.push(await findKeys(store, name));
  const keys = new Set(documents.flatMap((document) => [...document.keys.keys()]));
  const isBlind = documents.some(({ isReadable }) => !isReadable);
  const stored = await store.read('state');
  if (stored === undefined) {
    // The state is written first and never removed: keys without it mean that it was lost. New
    // roots would lock out everybody who trusts the old ones.
    const hasKeys = documents.some((document) => document.stored !== undefined);
    if (hasKeys || (isBlind && (await store.exists('standby-root-key')))) {
      throw damaged(
        'is missing although there are keys: restore it from a backup; to begin anew, with roots ' +
          'that nobody trusts yet, delete the keys too',
      );
    }
    const state = emptyState(trustDomain);
    return { documents, state, version: undefined, keys, standbyProblem: undefined, now };
  }
  const state = readState(stored.value, trustDomain);
  if (state.minWriter > STATE_VERSION) throw damaged('written for a newer version of Signet');
  const has = (wanted: AuthorityKind) => state.authorities.some(({ kind }) => kind === wanted);
  if (has('intermediate') && !has('root')) {
    throw damaged('has no root although it had one: restore it from a backup');
  }
  const found = { documents, state, version: stored.version, keys, standbyProblem: undefined, now };
  return isBlind ? await guessStandby(found, store) : found;
}

async function findKeys(store: AuthorityStore, name: KeyDocumentName): Promise<FoundKeys> {
  try {
    const stored = await store.read(name);
    return { name, stored, keys: readKeys(stored), isReadable: true };
  } catch (thrown) {
    const error = CodedError.from(thrown);
    if (error.code !== 'permission-denied' || name !== 'standby-root-key') throw error;
    return { name, stored: undefined, keys: new Map(), isReadable: false };
  }
}

// A root enters the state only while there is no standby key, and whoever brought it in stores its key
// next. So a key that is there now is that root's, and its maker died, or is about to say so; a key
// without such a root is a left-over.
async function guessStandby(found: Found, store: AuthorityStore): Promise<Found> {
  const roots = found.state.authorities.filter(({ kind }) => kind === 'root');
  if (roots.some(({ phase }) => phase === 'published')) return found;
  const prepared = roots.length > 1 ? roots.find(({ phase }) => phase === 'prepared') : undefined;
  if (prepared === undefined && roots.some(({ phase }) => phase === 'prepared')) return found;
  let isThere: boolean;
  try {
    isThere = await store.exists('standby-root-key');
  } catch (thrown) {
    return { ...found, standbyProblem: CodedError.from(thrown) };
  }
  if (!isThere) return found;
  if (prepared === undefined) return { ...found, standbyProblem: standbyInTheWay() };
  return { ...found, keys: new Set([...found.keys, prepared.id]) };
}

function standbyInTheWay(): CodedError {
  return new CodedError(
    'failed-precondition',
    'authorities: all is well but the standby root: there is a key that belongs to no known root; ' +
      'delete Secret signet-standby-root-key, unless it is kept for something, and run this again',
    { reason: 'StandbyKeyInTheWay' },
  );
}

/** Where the key of a new authority belongs. */
export function documentFor({ kind }: Authority, state: AuthorityState): KeyDocumentName {
  switch (kind) {
    case 'root':
      // The first is the one that signs; those after it stand by, out of everybody's reach.
      return state.authorities.some((other) => other.kind === 'root')
        ? 'standby-root-key'
        : 'root-key';
    case 'serving':
      return 'serving-keys';
    case 'intermediate':
    case 'jwt':
      return 'issuing-keys';
  }
}

export function parentOf(found: Found, id: string): ParentAuthority {
  const parent = found.state.authorities.find((authority) => authority.id === id);
  if (parent === undefined) throw damaged(`authority ${id} is missing`);
  return { ...signerOf(found, parent), id, notAfter: parent.notAfter };
}

export function signerOf({ documents }: Found, authority: Authority): X509Authority {
  const { id, certificate } = authority;
  const key = documents.map(({ keys }) => keys.get(id)).find((text) => text !== undefined);
  if (certificate === undefined) throw damaged(`the certificate of authority ${id} is missing`);
  if (key === undefined) throw lostKey(authority);
  return {
    certificateDer: new Uint8Array(Buffer.from(certificate, 'base64')),
    privateKey: decodeKey(key),
  };
}

/** The key of a standby root that is about to sign, once it is sure that it is the right one. */
export function keyOfStandby({ documents }: Found, { id, certificate = '' }: Authority): string {
  const key = documents.map(({ keys }) => keys.get(id)).find((text) => text !== undefined);
  if (key === undefined) {
    const isHidden = documents.some(({ isReadable }) => !isReadable);
    throw new CodedError(
      isHidden ? 'permission-denied' : 'failed-precondition',
      isHidden
        ? 'these credentials may not read Secret signet-standby-root-key'
        : `the key of standby root ${id} is not in Secret signet-standby-root-key: put it back there`,
      { reason: 'StandbyKeyMissing' },
    );
  }
  const der = new Uint8Array(Buffer.from(certificate, 'base64'));
  checkKeyOfCertificate(decodeKey(key), readCertificate(der));
  return key;
}

/**
 * All but the keys of authorities that are gone, and those of roots that sign now and are stored with
 * the others that sign.
 */
export function keysToKeep(
  { documents, state }: Found,
  { name, keys }: FoundKeys,
): readonly (readonly [string, string])[] {
  const known = new Map(state.authorities.map((authority) => [authority.id, authority]));
  const signing = documents.find((document) => document.name === 'root-key')?.keys;
  const stands = ({ phase }: Authority) => phase === 'prepared' || phase === 'published';
  return [...keys].filter(([id]) => {
    const authority = known.get(id);
    if (authority === undefined) return false;
    return name !== 'standby-root-key' || stands(authority) || signing?.has(id) !== true;
  });
}

/** The first authority that must have a key and has none, by this look. */
export function withoutKey({ state, keys }: Found): Authority | undefined {
  return state.authorities.find(
    ({ id, kind, phase, order }) =>
      // The key of a standby root may be in a safe; what is replaced needs none.
      (order === undefined || order === 'succeed') &&
      (phase === 'active' || (phase === 'published' && kind !== 'root')) &&
      !keys.has(id),
  );
}

const OBJECT_OF = {
  root: 'signet-root-key',
  serving: 'signet-serving-keys',
  intermediate: 'signet-issuing-keys',
  jwt: 'signet-issuing-keys',
} as const;

export function lostKey({ id, kind }: Authority): CodedError {
  const replace =
    kind === 'root'
      ? `make the standby root the active one: signet authority revoke ${id}`
      : `replace it: signet authority taint ${id}`;
  return damaged(
    `the key of ${kind} authority ${id} is missing: restore Secret ${OBJECT_OF[kind]} from a ` +
      `backup, or ${replace}`,
  );
}
