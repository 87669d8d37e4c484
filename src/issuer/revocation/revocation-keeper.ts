// Keeps the revocation lists: looks with every change of restrictions, and every few seconds, what is
// suspended and what is known to be out of it, and writes entries and signed lists down together. Every
// replica does so; whoever is slower takes in what the faster one wrote and adds what it alone knows.

import type { AuditLog } from '../../audit/audit-log.ts';
import type { AuthorityState } from '../../authorities/authority-state.ts';
import {
  completeSet,
  noRevocations,
  type RevocationDocument,
  readRevocations,
} from '../../authorities/revocation-document.ts';
import { backoffMs } from '../../base/backoff.ts';
import type { Clock } from '../../base/clock.ts';
import { CodedError } from '../../base/errors.ts';
import { Latest } from '../../base/latest.ts';
import type { Logger } from '../../base/log.ts';
import type { AuthorityStore } from '../authority/authority-store.ts';
import type { SigningAuthorities } from '../authority/signing-authorities.ts';
import type { HeldInventory } from '../held-inventory.ts';
import type { PodSource } from '../pod-source.ts';
import { nextLists } from './intermediate-crls.ts';
import { nextRevoked, type SuspendedCertificate } from './revocation-list.ts';

export type RevocationKeeperOptions = {
  readonly store: AuthorityStore;
  readonly authorities: Latest<SigningAuthorities>;
  readonly pods: PodSource;
  readonly inventory: HeldInventory;
  readonly audit: AuditLog;
  readonly clock: Clock;
  readonly log: Logger;
  /** Whether anything may be signed now. */
  readonly maySign: () => boolean;
};

const LOOK_EVERY_MS = 5000;
/** After a change others write too, a moment later: looked for soon, then ever less often. */
const LOOK_AGAIN_MS = [200, 500, 1000, 2000] as const;
const ATTEMPTS = 8;
const RETRY = { initialMs: 20, maxMs: 500 } as const;

export class RevocationKeeper {
  /** The complete set, DER; empty while there is none. */
  readonly crls = new Latest<readonly Uint8Array[]>();
  readonly #options: RevocationKeeperOptions;
  #wake = new AbortController();
  #isWoken = false;
  /** What the last scan of the inventory was made from. */
  #scanned: { readonly restrictions: bigint; readonly reports: number } | undefined;
  #suspended: readonly SuspendedCertificate[] = [];
  #seen: bigint | undefined;
  #shown = '';

  constructor(options: RevocationKeeperOptions) {
    this.#options = options;
  }

  /** Looks again at once: a restriction has changed. */
  wake(): void {
    this.#isWoken = true;
    this.#wake.abort();
  }

  /** Wakes it when the restrictions are others than they were when it last looked. */
  podChanged(): void {
    if (this.#options.pods.restrictionVersion !== this.#seen) this.wake();
  }

  /** Until aborted. Failures are tried again at the next look; what was shown stays. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, log } = this.#options;
    let again: readonly number[] = [];
    while (!signal.aborted) {
      if (this.#isWoken) again = LOOK_AGAIN_MS;
      this.#isWoken = false;
      this.#wake = new AbortController();
      try {
        await this.#look(signal);
      } catch (err) {
        if (signal.aborted) return;
        log.warn({ err }, 'Failed to keep the revocation lists, will retry');
      }
      const [wait = LOOK_EVERY_MS, ...later] = again;
      again = later;
      if (!this.#isWoken) await clock.sleep(wait, AbortSignal.any([signal, this.#wake.signal]));
    }
  }

  async #look(signal: AbortSignal): Promise<void> {
    const { store, clock, pods } = this.#options;
    this.#seen = pods.restrictionVersion;
    for (let attempt = 0; ; attempt += 1) {
      const authorities = this.#options.authorities.value;
      if (authorities === undefined) return;
      const { trustDomain, revocation } = authorities;
      const stored = await store.read('revocations');
      const before =
        stored === undefined
          ? noRevocations(trustDomain)
          : readRevocations(stored.value, trustDomain);
      const { document, added } = this.#next(before, authorities);
      try {
        if (document !== before) await store.write('revocations', document, stored?.version);
        if (added.length > 0) this.#note(added, authorities);
        this.#show(revocation.state, document);
        return;
      } catch (thrown) {
        // Somebody else was faster: what is missing now follows from what they wrote.
        const lost = CodedError.from(thrown).code === 'aborted';
        if (!lost || attempt + 1 === ATTEMPTS || signal.aborted) throw thrown;
        await clock.sleep(backoffMs(attempt, RETRY), signal);
      }
    }
  }

  #next(
    before: RevocationDocument,
    { revocation }: SigningAuthorities,
  ): { document: RevocationDocument; added: readonly SuspendedCertificate[] } {
    const { pods, clock, log, maySign } = this.#options;
    const now = clock.now();
    if (!maySign() || !pods.isFresh()) return { document: before, added: [] };
    const known = pods.restrictionsKnownTo ?? pods.version;
    const isOlder = known < BigInt(before.restrictionVersion);
    const { revoked, added, left, unsignable } = nextRevoked({
      before: before.revoked,
      suspended: this.#scan(now),
      inForce: isOlder ? undefined : (pods.suspensions?.() ?? new Set()),
      now,
    });
    if (left > 0) log.error({ count: left }, 'No room on the revocation lists for all');
    if (unsignable > 0)
      log.error({ count: unsignable }, 'Left out what no revocation list can have');
    const lists = nextLists(revocation, { before: before.lists, revoked }, now);
    if (revoked === before.revoked && lists === before.lists) return { document: before, added };
    const restrictionVersion = isOlder ? before.restrictionVersion : String(known);
    return { document: { ...before, restrictionVersion, revoked, lists }, added };
  }

  // All that is out is looked through only when something can have changed.
  #scan(now: number): readonly SuspendedCertificate[] {
    const { pods, inventory } = this.#options;
    const { restrictionVersion: restrictions } = pods;
    const { reports } = inventory;
    const last = this.#scanned;
    if (last?.restrictions !== restrictions || last.reports !== reports) {
      this.#scanned = { restrictions, reports };
      const isQuiet = (pods.suspensions?.().size ?? 0) === 0;
      this.#suspended = isQuiet
        ? []
        : inventory
            .heldBy(() => true, now)
            .map((held) => ({ held, by: pods.suspending?.(held) ?? [] }))
            .filter(({ by }) => by.length > 0);
    }
    const inForce = pods.suspensions?.() ?? new Set();
    return this.#suspended
      .map(({ held, by }) => ({ held, by: by.filter(({ name }) => inForce.has(name)) }))
      .filter(({ held, by }) => by.length > 0 && now < held.notAfter);
  }

  #show(state: AuthorityState, document: RevocationDocument): void {
    const set = completeSet(state, document, this.#options.clock.now());
    const shown = set.map(({ authority, crl }) => `${authority.id} ${crl.number}`).join();
    if (shown === this.#shown) return;
    this.#shown = shown;
    this.crls.set(set.map(({ crl }) => crl.der));
  }

  #note(added: readonly SuspendedCertificate[], { trustDomain }: SigningAuthorities): void {
    const { audit, log } = this.#options;
    log.info({ count: added.length }, 'Revoked certificates');
    try {
      audit.append(
        added.map(({ held, by }) => ({
          event: 'X509SvidRevoked' as const,
          trustDomain,
          node: held.node,
          podUid: held.podUid,
          entryId: held.entryId,
          serial: held.serial,
          ...(held.spiffeId === undefined ? {} : { spiffeId: held.spiffeId }),
          detail: by.map(({ name }) => name).join(', '),
        })),
      );
    } catch (err) {
      // They are revoked all the same.
      log.error({ err }, 'Failed to write down what was revoked');
    }
  }
}
