// Carries out the authority plan: read, ask for the next step, write it with compare-and-swap, ask
// again. An authority enters the state before its key is stored and is published after, so a crash
// between any two writes leaves nothing that signs without being known. The only reader of root and
// serving keys.

import type { AuditLog } from '../../audit/audit-log.ts';
import type { Authority, AuthorityState } from '../../authorities/authority-state.ts';
import type { Clock } from '../../base/clock.ts';
import { CodedError } from '../../base/errors.ts';
import type { Logger } from '../../base/log.ts';
import type { TrustDomain } from '../../spiffe/spiffe-id.ts';
import { type AuthorityCommand, type CommandResult, decideCommand } from './authority-commands.ts';
import {
  documentFor,
  type Found,
  findDocuments,
  keyOfStandby,
  keysToKeep,
  lostKey,
  parentOf,
  withoutKey,
} from './authority-documents.ts';
import { type JwtKeyType, makeAuthority } from './authority-maker.ts';
import {
  type AuthoritySettings,
  DEFAULT_SETTINGS,
  isStandbyRoot,
  KEY_STORE_GRACE,
  nextStep,
} from './authority-plan.ts';
import { type AuthorityStep, applyStep } from './authority-steps.ts';
import { type AuthorityStore, changeKeys, encodeKey, withKeys } from './authority-store.ts';
import { withRootCrl } from './root-crl.ts';
import { doServingDuty } from './serving-duties.ts';
import { type Endpoint, issuerEndpoint } from './serving-leaf.ts';

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
  /** Who has a certificate of the serving authority; the issuer alone, unless told otherwise. */
  readonly endpoints?: readonly Endpoint[];
  /** Shows the serving authorities, as PEM, to those who dial; true when they were others before. */
  readonly publishServingCa?: (pem: string) => Promise<boolean>;
};

/** From nothing to rest takes about twenty. */
const MAX_STEPS = 100;
const ATTEMPTS = 10;

export class AuthorityKeeper {
  readonly #options: AuthorityKeeperOptions;
  readonly #settings: AuthoritySettings;

  constructor(options: AuthorityKeeperOptions) {
    this.#options = options;
    this.#settings = options.settings ?? DEFAULT_SETTINGS;
  }

  /**
   * Runs until nothing is due; the state it leaves. Throws what the store throws; the next call goes
   * on from there.
   */
  async settle(): Promise<AuthorityState> {
    for (let steps = 0; steps < MAX_STEPS; steps += 1) {
      try {
        const found = await findDocuments(this.#options);
        await this.#checkKeys(found);
        if (await this.#advance(found)) continue;
        if (found.standbyProblem !== undefined) throw found.standbyProblem;
        return found.state;
      } catch (thrown) {
        // Somebody else was faster: what is due now follows from what they wrote.
        if (CodedError.from(thrown).code !== 'aborted') throw thrown;
      }
    }
    throw new CodedError('unavailable', 'authorities: did not come to rest');
  }

  /** Does what an operator asks for, as far as one write goes; `settle` does the rest. */
  async perform(command: AuthorityCommand): Promise<CommandResult> {
    for (let attempt = 1; ; attempt += 1) {
      const found = await findDocuments(this.#options);
      const { now } = found;
      const decision = decideCommand(found.state, command, { now, settings: this.#settings });
      if (!decision.allowed) {
        const { reason, message } = decision;
        throw new CodedError('failed-precondition', message, { reason });
      }
      const { state, signsNext, noted } = decision.value;
      try {
        if (signsNext !== undefined) await this.#takeFromStandby(found, signsNext);
        if (state === found.state) return decision.value;
        for (const { id, detail } of noted) this.#note(id, `ordered: ${detail}`);
        await this.#options.store.write('state', state, found.version);
        return decision.value;
      } catch (thrown) {
        const lost = CodedError.from(thrown).code === 'aborted';
        if (!lost || attempt === ATTEMPTS) throw thrown;
      }
    }
  }

  // Before the root signs: a crash after this leaves a standby root whose key this role can read.
  async #takeFromStandby(found: Found, root: Authority): Promise<void> {
    const key = keyOfStandby(found, root);
    await changeKeys(this.#options.store, 'root-key', (keys) => keys.set(root.id, key));
  }

  // A key is stored before its authority is published, and outlives it: one that is missing by two
  // looks around one state is lost.
  async #checkKeys(found: Found): Promise<void> {
    const missing = withoutKey(found);
    if (missing === undefined) return;
    const again = await findDocuments(this.#options);
    if (again.version !== found.version) throw new CodedError('aborted', 'the state has changed');
    const lost = withoutKey(again);
    if (lost !== undefined) throw lostKey(lost);
    throw new CodedError('aborted', 'a key was just being stored');
  }

  async #advance(found: Found): Promise<boolean> {
    const { isAlone = false } = this.#options;
    const { now } = found;
    const isStandbyBlocked = found.standbyProblem !== undefined;
    const context = { now, settings: this.#settings, isAlone, isStandbyBlocked };
    const step = nextStep(found.state, found.keys, context);
    if (step === undefined || isStandbyRoot(step, found.state)) {
      if ((await this.#removeOrphans(found)) || (await this.#serve(found))) return true;
      if (await this.#revoke(found)) return true;
      if (step === undefined) return false;
    }
    if (step.kind === 'create') {
      await this.#create(found, step);
    } else {
      await this.#write(found, step);
      this.#note(step.id, step.kind);
    }
    return true;
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
    const key = encodeKey(privateKey);
    const isBlind = found.documents.some((one) => one.name === name && !one.isReadable);
    if (isBlind) await this.#storeBlindly(authority, key, now);
    else await changeKeys(this.#options.store, name, (keys) => keys.set(authority.id, key));
  }

  // Written once, by whoever may not read it. After a while others take its maker for dead, and may
  // have made another root.
  async #storeBlindly({ id }: Authority, key: string, since: number): Promise<void> {
    const { store, clock } = this.#options;
    if (clock.now() / 1000 - since > KEY_STORE_GRACE / 2) {
      throw new CodedError('unavailable', 'authorities: making a standby root took too long');
    }
    try {
      await store.write('standby-root-key', withKeys(undefined, [[id, key]]), undefined);
    } catch (thrown) {
      if (CodedError.from(thrown).code !== 'aborted') throw thrown;
      await this.#giveUp(id);
    }
  }

  // Somebody put another key there meanwhile: this root must not pass for the one it belongs to.
  async #giveUp(id: string): Promise<void> {
    for (let attempt = 1; ; attempt += 1) {
      const found = await findDocuments(this.#options);
      if (!found.state.authorities.some((one) => one.id === id && one.phase === 'prepared')) return;
      try {
        await this.#write(found, { kind: 'remove', id });
        this.#note(id, 'remove');
        return;
      } catch (thrown) {
        const lost = CodedError.from(thrown).code === 'aborted';
        if (!lost || attempt === ATTEMPTS) throw thrown;
      }
    }
  }

  async #write({ state, version, now }: Found, step: AuthorityStep, made?: Authority) {
    const next = applyStep(state, step, made === undefined ? { now } : { now, made });
    await this.#options.store.write('state', next, version);
  }

  async #removeOrphans(found: Found): Promise<boolean> {
    const { store } = this.#options;
    for (const document of found.documents) {
      const { name, stored, keys } = document;
      const left = keysToKeep(found, document);
      if (stored === undefined || left.length === keys.size) continue;
      // Nothing must be where a new standby key is to be made.
      if (name === 'standby-root-key' && left.length === 0)
        await store.remove(name, stored.version);
      else await store.write(name, withKeys(stored, left), stored.version);
      return true;
    }
    return false;
  }

  async #serve(found: Found): Promise<boolean> {
    const { store, trustDomain, publishServingCa } = this.#options;
    return await doServingDuty(found, {
      trustDomain,
      store,
      endpoints: this.#options.endpoints ?? [issuerEndpoint(trustDomain)],
      note: (id, detail) => this.#note(id, detail),
      ...(publishServingCa === undefined ? {} : { publishCa: publishServingCa }),
    });
  }

  async #revoke({ documents, state, version, now }: Found): Promise<boolean> {
    const next = withRootCrl(
      state,
      documents.flatMap(({ keys }) => [...keys]),
      now,
    );
    if (next === undefined) return false;
    this.#note(next.id, `sign a revocation list of ${next.entries} entries`);
    await this.#options.store.write('state', next.state, version);
    return true;
  }

  #note(authorityId: string, detail: string): void {
    const { audit, log, trustDomain } = this.#options;
    audit.append([{ event: 'AuthorityChanged', trustDomain, authorityId, detail }]);
    log.info({ authorityId, message: detail }, 'Changed an authority');
  }
}
