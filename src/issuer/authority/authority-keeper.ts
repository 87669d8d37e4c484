// Carries out the authority plan: read, ask for the next step, write it with compare-and-swap, ask
// again. An authority enters the state before its key is stored and is published after, so a crash
// between any two writes leaves nothing that signs without being known. The only reader of root and
// serving keys.

import type { Clock } from '../../base/clock.ts';
import { CodedError } from '../../base/errors.ts';
import type { Logger } from '../../base/log.ts';
import type { X509Authority } from '../../spiffe/authority/x509-authority.ts';
import type { TrustDomain } from '../../spiffe/spiffe-id.ts';
import type { AuditLog } from '../audit-log.ts';
import { type JwtKeyType, makeAuthority, type ParentAuthority } from './authority-maker.ts';
import {
  type AuthoritySettings,
  type AuthorityStep,
  applyStep,
  DEFAULT_SETTINGS,
  nextStep,
} from './authority-plan.ts';
import {
  type Authority,
  type AuthorityState,
  activeOf,
  damaged,
  emptyState,
  readState,
  STATE_VERSION,
} from './authority-state.ts';
import {
  type AuthorityStore,
  decodeKey,
  encodeKey,
  KEY_DOCUMENTS,
  type KeyDocumentName,
  readKeys,
  type StoredDocument,
  withKeys,
} from './authority-store.ts';
import { makeServingLeaf, needsServingLeaf } from './serving-leaf.ts';

export type AuthorityKeeperOptions = {
  readonly trustDomain: TrustDomain;
  readonly store: AuthorityStore;
  readonly clock: Clock;
  readonly audit: AuditLog;
  readonly log: Logger;
  readonly settings?: AuthoritySettings;
  readonly jwtKeyType?: JwtKeyType;
  /** Nobody else writes to the store, as in dev mode; see PlanContext. */
  readonly isAlone?: boolean;
};

type KeyDocument = {
  readonly name: KeyDocumentName;
  readonly stored: StoredDocument | undefined;
  readonly keys: ReadonlyMap<string, string>;
};

type Found = {
  readonly documents: readonly KeyDocument[];
  readonly state: AuthorityState;
  readonly version: string | undefined;
  /** Seconds since the epoch, for the whole step. */
  readonly now: number;
};

/** From nothing to rest takes about twenty. */
const MAX_STEPS = 100;
const KEY_WRITE_ATTEMPTS = 10;

export class AuthorityKeeper {
  readonly #options: AuthorityKeeperOptions;
  readonly #settings: AuthoritySettings;

  constructor(options: AuthorityKeeperOptions) {
    this.#options = options;
    this.#settings = options.settings ?? DEFAULT_SETTINGS;
  }

  /** Runs until nothing is due. Throws what the store throws; the next call goes on from there. */
  async settle(): Promise<void> {
    for (let steps = 0; steps < MAX_STEPS; steps += 1) {
      try {
        if (!(await this.#advance())) return;
      } catch (thrown) {
        // Somebody else was faster: what is due now follows from what they wrote.
        if (CodedError.from(thrown).code !== 'aborted') throw thrown;
      }
    }
    throw new CodedError('unavailable', 'authorities: did not come to rest');
  }

  async #advance(): Promise<boolean> {
    const found = await this.#read();
    const keys = new Set(found.documents.flatMap((document) => [...document.keys.keys()]));
    const { isAlone = false } = this.#options;
    const context = { now: found.now, settings: this.#settings, isAlone };
    const step = nextStep(found.state, keys, context);
    if (step === undefined) {
      return (await this.#removeOrphans(found)) || (await this.#renewServingLeaf(found));
    }
    if (step.kind === 'create') {
      await this.#create(found, step);
    } else {
      await this.#write(found, step);
      this.#note(step.id, step.kind);
    }
    return true;
  }

  // Keys before state: a key whose authority is not in the later state was removed for good, and is
  // not one that somebody is just adding.
  async #read(): Promise<Found> {
    const { store, trustDomain, clock } = this.#options;
    const now = Math.floor(clock.now() / 1000);
    const documents: KeyDocument[] = [];
    for (const name of KEY_DOCUMENTS) {
      const document = await store.read(name);
      documents.push({ name, stored: document, keys: readKeys(document) });
    }
    const stored = await store.read('state');
    if (stored === undefined) {
      // The state is written first and never removed: keys without it mean that it was lost. New
      // roots would lock out everybody who trusts the old ones.
      if (documents.some((document) => document.stored !== undefined)) {
        throw damaged('is missing although there are keys');
      }
      return { documents, state: emptyState(trustDomain), version: undefined, now };
    }
    const state = readState(stored.value, trustDomain);
    if (state.minWriter > STATE_VERSION) throw damaged('written for a newer version of Signet');
    return { documents, state, version: stored.version, now };
  }

  async #create(found: Found, step: AuthorityStep & { kind: 'create' }): Promise<void> {
    const { trustDomain, jwtKeyType = 'rsa-2048' } = this.#options;
    const { now } = found;
    const parent = step.parent === undefined ? undefined : parentOf(found, step.parent);
    const { authority, privateKey } = await makeAuthority({
      kind: step.authority,
      trustDomain,
      life: this.#settings[step.authority],
      jwtKeyType,
      now,
      ...(parent === undefined ? {} : { parent }),
    });
    const name = documentFor(authority, found.state);
    await this.#write(found, step, authority);
    // Before its key is where somebody could sign with it: no line, no authority.
    this.#note(authority.id, `create ${authority.kind}`);
    await this.#changeKeys(name, (keys) => keys.set(authority.id, encodeKey(privateKey)));
  }

  async #write({ state, version, now }: Found, step: AuthorityStep, made?: Authority) {
    const next = applyStep(state, step, made === undefined ? { now } : { now, made });
    await this.#options.store.write('state', next, version);
  }

  async #removeOrphans({ documents, state }: Found): Promise<boolean> {
    const known = new Set(state.authorities.map(({ id }) => id));
    for (const { name, stored, keys } of documents) {
      const left = [...keys].filter(([id]) => known.has(id));
      if (left.length === keys.size) continue;
      await this.#options.store.write(name, withKeys(stored, left), stored?.version);
      return true;
    }
    return false;
  }

  async #renewServingLeaf(found: Found): Promise<boolean> {
    const { store, trustDomain } = this.#options;
    const { now, state } = found;
    const serving = activeOf(state, 'serving');
    if (serving === undefined) return false;
    const document = await store.read('issuer-serving');
    if (!needsServingLeaf(document, serving, now)) return false;
    const signedBy = signerOf(found, serving);
    const leaf = await makeServingLeaf(serving, signedBy, { trustDomain, now });
    this.#note(serving.id, 'create serving certificate');
    await store.write('issuer-serving', leaf, document?.version);
    return true;
  }

  // The key exists nowhere else yet: a lost race is no reason to lose it.
  async #changeKeys(name: KeyDocumentName, change: (keys: Map<string, string>) => void) {
    for (let attempt = 1; ; attempt += 1) {
      const document = await this.#options.store.read(name);
      const keys = new Map(readKeys(document));
      change(keys);
      try {
        await this.#options.store.write(name, withKeys(document, keys), document?.version);
        return;
      } catch (thrown) {
        const lost = CodedError.from(thrown).code === 'aborted';
        if (!lost || attempt === KEY_WRITE_ATTEMPTS) throw thrown;
      }
    }
  }

  #note(authorityId: string, detail: string): void {
    const { audit, log, trustDomain } = this.#options;
    audit.append([{ event: 'AuthorityChanged', trustDomain, authorityId, detail }]);
    log.info({ authorityId, message: detail }, 'Changed an authority');
  }
}

function documentFor({ kind }: Authority, state: AuthorityState): KeyDocumentName {
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

function parentOf(found: Found, id: string): ParentAuthority {
  const parent = found.state.authorities.find((authority) => authority.id === id);
  if (parent === undefined) throw damaged(`authority ${id} is missing`);
  return { ...signerOf(found, parent), id, notAfter: parent.notAfter };
}

function signerOf({ documents }: Found, { id, certificate }: Authority): X509Authority {
  const key = documents.map(({ keys }) => keys.get(id)).find((text) => text !== undefined);
  if (key === undefined || certificate === undefined) {
    throw damaged(`certificate or key of authority ${id} is missing`);
  }
  return {
    certificateDer: new Uint8Array(Buffer.from(certificate, 'base64')),
    privateKey: decodeKey(key),
  };
}
