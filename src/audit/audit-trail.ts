// A log with checkpoints: every ten seconds in which lines were written, and after a thousand lines, the
// writer signs how far its chain goes, writes that into the chain too, and lets others keep it. What it
// hears of other chains it writes into its own, so that each holds the others.

import { createPublicKey, type KeyObject } from 'node:crypto';
import type { Clock } from '../base/clock.ts';
import type { Logger } from '../base/log.ts';
import { type AuditAnchor, MAX_ANCHORS } from './audit-anchor.ts';
import type { ChainHead } from './audit-chain.ts';
import { type AuditEvent, type AuditLog, note } from './audit-log.ts';
import {
  type Checkpoint,
  type CheckpointSigner,
  isSigned,
  keyId,
  signCheckpoint,
} from './checkpoint.ts';

export type AuditTrailOptions = {
  readonly audit: AuditLog;
  readonly trustDomain: string;
  /** Undefined while there is no key yet. */
  readonly signer: () => CheckpointSigner | undefined;
  /** Where checkpoints are kept outside of the writer's reach; default: nowhere. */
  readonly anchor?: AuditAnchor | undefined;
  readonly clock: Clock;
  readonly log: Logger;
};

const EVERY_MS = 10_000;
/** While there is no key yet. */
const FIRST_MS = 1000;
/** So that writers who see each other do not keep each other busy. */
const OTHERS_EVERY_MS = 60_000;
const LINES = 1000;
/** A process that ends waits no longer for its last checkpoint to be kept. */
const LAST_WORD_MS = 3000;
/** Of other writers, of which there are a few at a time. */
const MAX_CHAINS = 256;

export class AuditTrail implements AuditLog {
  readonly #options: AuditTrailOptions;
  /** Newest word on each other chain that is in ours, and what is still to be written. */
  readonly #others = new Map<string, Checkpoint>();
  readonly #pending = new Map<
    string,
    { readonly checkpoint: Checkpoint; readonly node?: string }
  >();
  /** Keys that this process has signed with, by id. */
  readonly #keys = new Map<string, KeyObject>();
  #signedBy: KeyObject | undefined;
  #newest: Checkpoint | undefined;
  #anchored: Checkpoint | undefined;
  /** What is kept of our own chain and is not in it. */
  #lost: Checkpoint | undefined;
  #hasLooked = false;
  #hasFailed = false;
  /** Lines since the last checkpoint, without those of our own. */
  #fresh = 0;

  constructor(options: AuditTrailOptions) {
    this.#options = options;
  }

  get head(): ChainHead | undefined {
    return this.#options.audit.head;
  }

  /** The last one that was signed. */
  get newest(): Checkpoint | undefined {
    return this.#newest;
  }

  append(events: readonly AuditEvent[]): void {
    this.#options.audit.append(events);
    this.#fresh += events.length;
    if (this.#fresh >= LINES) this.#sign();
  }

  close(): void {
    this.#options.audit.close();
  }

  /** Whether it says more than what is known, if it is true: asked before its signature is checked. */
  isNews({ chain, sequence, key }: Checkpoint): boolean {
    if (!this.#keys.has(key)) return false;
    if (this.#pending.size >= MAX_CHAINS && !this.#pending.has(chain)) return false;
    return sequence > this.#knownOf(chain);
  }

  #knownOf(chain: string): number {
    const known = this.#pending.get(chain)?.checkpoint ?? this.#others.get(chain);
    const own = chain === this.head?.chain ? (this.head?.sequence ?? 0) : 0;
    return Math.max(known?.sequence ?? 0, own);
  }

  /** A node has seen this, of whichever chain; what is not signed by a key of ours is nothing. */
  witness(checkpoint: Checkpoint, node: string): void {
    const publicKey = this.#keys.get(checkpoint.key);
    if (publicKey !== undefined && isSigned(checkpoint, publicKey))
      this.#hear({ checkpoint, node });
  }

  #hear(heard: { readonly checkpoint: Checkpoint; readonly node?: string }): void {
    const { chain, sequence } = heard.checkpoint;
    const known = this.#pending.get(chain)?.checkpoint ?? this.#others.get(chain);
    const own = chain === this.head?.chain ? (this.head?.sequence ?? 0) : 0;
    if (sequence <= Math.max(known?.sequence ?? 0, own)) return;
    if (this.#pending.size >= MAX_CHAINS && !this.#pending.has(chain)) return;
    this.#pending.set(chain, heard);
  }

  /** Signs and keeps until aborted. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock } = this.#options;
    while (!signal.aborted) {
      await this.settle(signal);
      await clock.sleep(this.#newest === undefined ? FIRST_MS : EVERY_MS, signal);
    }
  }

  /** Signs and keeps once more, when nobody appends any more. */
  async end(): Promise<void> {
    await this.settle(AbortSignal.timeout(LAST_WORD_MS));
  }

  /** Signs what is not signed yet and has it kept; whether that was done. Failures go to the log. */
  async settle(signal: AbortSignal): Promise<boolean> {
    this.#writePending();
    this.#sign();
    return await this.#keep(signal);
  }

  #writePending(): void {
    const { trustDomain, log, audit } = this.#options;
    for (const [chain, { checkpoint, node }] of this.#pending) {
      const event = { event: 'CheckpointWitnessed', trustDomain, checkpoint } as const;
      note(audit, log, [node === undefined ? event : { ...event, node }]);
      this.#pending.delete(chain);
      this.#others.delete(chain);
      this.#others.set(chain, checkpoint);
    }
    for (const chain of this.#others.keys()) {
      if (this.#others.size <= MAX_CHAINS) break;
      this.#others.delete(chain);
    }
  }

  #sign(): void {
    const { audit, signer: find, trustDomain, clock, log } = this.#options;
    const signer = find();
    if (signer === undefined || audit.head === undefined) return;
    const isNewKey = this.#signedBy === undefined || !signer.privateKey.equals(this.#signedBy);
    if (!isNewKey && this.#fresh === 0) return;
    try {
      if (isNewKey) this.#introduce(signer);
      const { head } = audit;
      const checkpoint = signCheckpoint(head, { trustDomain, now: clock.now() }, signer);
      const { at, key, signature, replica } = checkpoint;
      audit.append([{ event: 'Checkpoint', trustDomain, replica, at, key, signature }]);
      this.#newest = checkpoint;
      this.#fresh = 0;
    } catch (err) {
      log.error({ err }, 'Failed to sign a checkpoint of the audit log');
    }
  }

  #introduce({ privateKey, certificate: der }: CheckpointSigner): void {
    const { audit, trustDomain } = this.#options;
    const publicKey = createPublicKey(privateKey);
    const key = keyId(publicKey);
    const certificate = Buffer.from(der).toString('base64');
    audit.append([{ event: 'CheckpointKey', trustDomain, key, certificate }]);
    this.#keys.set(key, publicKey);
    this.#signedBy = privateKey;
  }

  async #keep(signal: AbortSignal): Promise<boolean> {
    const { anchor, log } = this.#options;
    const newest = this.#newest;
    if (newest === undefined) return false;
    if (anchor === undefined || newest === this.#anchored) return true;
    try {
      if (!this.#hasLooked) this.#compare(await anchor.look(signal));
      this.#hasLooked = true;
      // What was kept of lines that are not there is the only witness of them.
      if ((this.#lost?.sequence ?? 0) >= newest.sequence) return true;
      const kept = await anchor.put(newest, signal);
      this.#anchored = newest;
      this.#hasFailed = false;
      await this.#makeRoom(anchor, kept, signal);
      return true;
    } catch (err) {
      if (!signal.aborted) {
        const level = this.#hasFailed ? 'debug' : 'warn';
        log[level]({ err }, 'Failed to anchor the audit log, will retry');
      }
      this.#hasFailed = true;
      return false;
    }
  }

  /** Before the first write: a log that was cut while nobody wrote is found now, or never. */
  #compare(kept: readonly Checkpoint[]): void {
    const { log } = this.#options;
    const { head } = this;
    const own = kept.find(({ chain }) => chain === head?.chain);
    if (own === undefined || own.sequence <= (head?.sequence ?? 0)) return;
    this.#lost = own;
    log.error({ sequence: own.sequence }, 'The audit log ends before what was kept of it');
    this.#hear({ checkpoint: own });
  }

  async #makeRoom(
    anchor: AuditAnchor,
    kept: readonly Checkpoint[],
    signal: AbortSignal,
  ): Promise<void> {
    const others = kept
      .filter(({ chain }) => chain !== this.head?.chain)
      .toSorted((a, b) => (a.at < b.at ? 1 : -1));
    const old = others.slice(MAX_ANCHORS);
    for (const checkpoint of others) {
      const before = this.#others.get(checkpoint.chain);
      const since = Date.parse(checkpoint.at) - Date.parse(before?.at ?? '');
      if (before === undefined || since >= OTHERS_EVERY_MS || old.includes(checkpoint)) {
        this.#hear({ checkpoint });
      }
    }
    if (old.length === 0) return;
    // Written down here first: somebody's word on them is still needed.
    this.#writePending();
    await anchor.drop(old, signal);
  }
}
