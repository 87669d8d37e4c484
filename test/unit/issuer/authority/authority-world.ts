// A store of authorities with everybody who touches it: the hourly job, operators, crashes, restores.

import assert from 'node:assert/strict';
import {
  type AuthorityState,
  activeOf,
  isInBundle,
  readState,
} from '../../../../src/authorities/authority-state.ts';
import { CodedError } from '../../../../src/base/errors.ts';
import { silentLogger } from '../../../../src/base/log.ts';
import type { AuthorityCommand } from '../../../../src/issuer/authority/authority-commands.ts';
import { AuthorityKeeper } from '../../../../src/issuer/authority/authority-keeper.ts';
import { AuthorityView } from '../../../../src/issuer/authority/signing-authorities.ts';
import { FakeClock } from '../../../fakes/fake-clock.ts';
import { MemoryAuditLog, TRUST_DOMAIN } from '../fixtures.ts';
import { BlindStore, MemoryStore } from '../memory-store.ts';

const KINDS = ['root', 'serving', 'intermediate', 'jwt'] as const;
const HOUR = 3_600_000;
const CRASH = 'the machine is off';

export type Action =
  | { readonly do: 'rotate'; readonly crashAt: number }
  | { readonly do: 'command'; readonly command: Wanted; readonly crashAt: number }
  | { readonly do: 'wait'; readonly hours: number }
  | { readonly do: 'backup' | 'restore' };
/** Which authority it is about is known only when its time comes. */
export type Wanted = { readonly verb: AuthorityCommand['verb']; readonly pick: number };

export class World {
  readonly store = new MemoryStore();
  readonly clock = new FakeClock();
  #backup: Map<unknown, unknown> | undefined;
  sequence = 0;
  refused = 0;
  crashes = 0;

  keeper(store: MemoryStore | BlindStore): AuthorityKeeper {
    return new AuthorityKeeper({
      trustDomain: TRUST_DOMAIN,
      jwtKeyType: 'ec-p256',
      store,
      clock: this.clock,
      audit: new MemoryAuditLog(),
      log: silentLogger,
    });
  }

  get state(): AuthorityState {
    const document = this.store.documents.get('state') ?? assert.fail('no state');
    return readState(JSON.parse(document.text), TRUST_DOMAIN);
  }

  async run(next: Action): Promise<void> {
    switch (next.do) {
      case 'wait':
        // The job runs every hour, so nothing ever expires unseen for days.
        for (let hours = next.hours; hours > 0; hours -= 20) {
          await this.clock.advance(Math.min(hours, 20) * HOUR);
          if (next.hours > 20) await this.#try(async () => await this.rotate());
        }
        return;
      case 'rotate':
        await this.withCrash(next.crashAt, async () => await this.rotate());
        return;
      case 'command':
        await this.withCrash(next.crashAt, async () => {
          await this.command(this.#aim(next.command));
        });
        return;
      case 'backup':
        this.#backup = new Map(this.store.documents);
        return;
      case 'restore':
        await this.#restore();
    }
  }

  async rotate(): Promise<void> {
    await this.keeper(new BlindStore(this.store)).settle();
  }

  /** As the job may find it, when it can do all but the standby root. */
  async rotateOrRefuse(): Promise<void> {
    await this.#try(async () => await this.rotate());
  }

  async command(command: AuthorityCommand): Promise<void> {
    const keeper = this.keeper(this.store);
    await keeper.perform(command);
    await keeper.settle();
  }

  #aim({ verb, pick }: Wanted): AuthorityCommand {
    const { authorities } = this.state;
    const kind = KINDS[pick % KINDS.length] ?? 'jwt';
    const id = authorities[pick % authorities.length]?.id ?? '';
    if (verb === 'prepare') return { verb, kind };
    if (verb === 'accept-restore') return { verb, seen: this.sequence };
    return verb === 'activate' ? { verb, id, isUrgent: pick % 2 === 0 } : { verb, id };
  }

  async #restore(): Promise<void> {
    if (this.#backup === undefined) return;
    const versions = new Map(this.store.documents);
    this.store.documents.clear();
    for (const [name, document] of this.#backup as typeof versions) {
      const version = (versions.get(name)?.version ?? 0) + 1;
      this.store.documents.set(name, { ...document, version });
    }
    const seen = this.sequence;
    await this.#try(async () => await this.command({ verb: 'accept-restore', seen }));
    assert.ok(this.state.sequence > seen, 'past all that was seen');
  }

  async withCrash(at: number, run: () => Promise<void>): Promise<void> {
    const from = this.store.operations;
    this.store.onOperation = (when, operation) => {
      if (operation === from + at && when === 'after') throw new Error(CRASH);
    };
    await this.#try(run);
    this.store.onOperation = () => {};
  }

  // Refusals are answers. The damage that must never come of any of this is StateDamaged.
  async #try(run: () => Promise<void>): Promise<void> {
    try {
      await run();
    } catch (thrown) {
      const { message, reason } = CodedError.from(thrown);
      if (message === CRASH) this.crashes += 1;
      else if (reason !== undefined && reason !== 'StateDamaged') this.refused += 1;
      else throw thrown;
    }
  }

  /** What must hold after whatever happened. */
  async check(): Promise<void> {
    const { state } = this;
    assert.ok(state.sequence >= this.sequence, 'the sequence never falls');
    this.sequence = state.sequence;
    for (const kind of KINDS) assert.ok(activeOf(state, kind), `no active ${kind}`);
    const intermediate = activeOf(state, 'intermediate');
    const root = state.authorities.find(({ id }) => id === intermediate?.parent);
    assert.ok(root !== undefined && isInBundle(root), 'what signs is believed');
  }

  /** Somebody with all rights looks, and all is in order. */
  async rest(): Promise<void> {
    for (let look = 0; look < 3; look += 1) {
      await this.clock.advance(11 * 60_000);
      await this.keeper(this.store).settle();
    }
    await this.keeper(new BlindStore(this.store)).settle();
    const { authorities } = this.state;
    const roots = authorities.filter(({ kind }) => kind === 'root');
    const live = roots.filter(({ phase }) => phase === 'active' || phase === 'published');
    assert.equal(live.length, 2, 'one root signs, one stands by');
    for (const { order, phase } of authorities) {
      assert.ok(order !== 'remove', 'what was revoked is gone');
      assert.ok(order !== 'replace' || phase === 'retired');
    }
    const parent = activeOf(this.state, 'intermediate')?.parent;
    assert.equal(parent, activeOf(this.state, 'root')?.id);
    const view = new AuthorityView({ trustDomain: TRUST_DOMAIN, store: this.store });
    await view.refresh();
  }
}
