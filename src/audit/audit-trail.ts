// A log with checkpoints: every ten seconds in which lines were written, and after a thousand lines, the
// writer signs how far its chain goes, writes that into the chain too, and lets others keep it. What it
// hears of other chains it writes into its own, so that each holds the others.

import type { KeyObject } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import type { Clock } from '../base/clock.ts';
import type { Logger } from '../base/log.ts';
import { type AuditAnchor, MAX_ANCHORS } from './audit-anchor.ts';
import type { ChainHead } from './audit-chain.ts';
import { type AuditEvent, type AuditLog, note } from './audit-log.ts';
import { type Checkpoint, type CheckpointSigner, signCheckpoint } from './checkpoint.ts';
import { type HeardCheckpoint, HeardCheckpoints, isOfThePast } from './heard-checkpoints.ts';

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

export class AuditTrail implements AuditLog {
  readonly #options: AuditTrailOptions;
  readonly #heard: HeardCheckpoints;
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
    this.#heard = new HeardCheckpoints(options.audit.head, options.clock.now());
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

  /** Whether a node's word would be written down if it is signed: asked before that is looked at. */
  isNews(checkpoint: Checkpoint): boolean {
    return this.#heard.hasKey(checkpoint.key) && this.#heard.isNews(checkpoint, this.head);
  }

  /** A node has seen this, of whichever chain; what is not signed by a key of ours is nothing. */
  witness(checkpoint: Checkpoint, node: string): void {
    if (this.#heard.isSigned(checkpoint) === true) this.#hear({ checkpoint, node });
  }

  #hear(heard: HeardCheckpoint): void {
    if (isOfThePast(heard.checkpoint, this.#options.clock.now())) {
      this.#heard.hear(heard, this.head);
    }
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
    for (const { checkpoint, node } of this.#heard.take()) {
      const event = { event: 'CheckpointWitnessed', trustDomain, checkpoint } as const;
      note(audit, log, [node === undefined ? event : { ...event, node }]);
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
    const key = this.#heard.addKey(privateKey);
    const certificate = Buffer.from(der).toString('base64');
    audit.append([{ event: 'CheckpointKey', trustDomain, key, certificate }]);
    this.#signedBy = privateKey;
  }

  async #keep(signal: AbortSignal): Promise<boolean> {
    const { anchor, log } = this.#options;
    if (this.#newest === undefined) return false;
    if (anchor === undefined || this.#newest === this.#anchored) return true;
    try {
      if (!this.#hasLooked) this.#compare(await anchor.look(signal));
      this.#hasLooked = true;
      const newest = this.#newest;
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

  // Before the first write, which takes the place of what was kept: it may be the only true word on lines
  // from before the start. Whether they were cut is seen here; whether they were changed, by who verifies
  // the chain with the word in it. It is signed for at once.
  #compare(kept: readonly Checkpoint[]): void {
    const own = kept.find(({ chain }) => chain === this.head?.chain);
    const standing = own === undefined ? 'refused' : this.#standingOf(own);
    if (own === undefined || standing === 'refused') return;
    this.#hear({ checkpoint: own });
    this.#writePending();
    this.#fresh += 1;
    this.#sign();
    if (!this.#heard.isLost(own)) return;
    // What nobody may have signed is written down and made room for.
    if (standing === 'signed') this.#lost = own;
    const { log } = this.#options;
    log.error({ sequence: own.sequence }, 'The audit log ends before what was kept of it');
  }

  async #makeRoom(
    anchor: AuditAnchor,
    kept: readonly Checkpoint[],
    signal: AbortSignal,
  ): Promise<void> {
    const others = kept.filter(({ chain }) => chain !== this.head?.chain);
    const judged = Map.groupBy(others, (checkpoint) => this.#standingOf(checkpoint));
    const { signed = [], unknown = [], refused = [] } = Object.fromEntries(judged);
    // Signed ones first: who may write there must not crowd them out.
    const good = [...newestFirst(signed), ...newestFirst(unknown)];
    const old = good.slice(MAX_ANCHORS);
    for (const checkpoint of good) {
      const before = this.#heard.known(checkpoint.chain);
      const since = Date.parse(checkpoint.at) - Date.parse(before?.at ?? '');
      if (before === undefined || since >= OTHERS_EVERY_MS || old.includes(checkpoint)) {
        this.#hear({ checkpoint });
      }
    }
    if (others.length <= MAX_ANCHORS) return;
    // Written down here first: somebody's word on them is still needed.
    this.#writePending();
    await anchor.drop([...refused, ...old], signal);
  }

  /** `unknown`: by a key that is not ours, as between issuers and the controller; a reader has both. */
  #standingOf(checkpoint: Checkpoint): 'signed' | 'unknown' | 'refused' {
    if (!isOfThePast(checkpoint, this.#options.clock.now())) return 'refused';
    if (!this.#heard.hasKey(checkpoint.key)) return 'unknown';
    const isKnown = isDeepStrictEqual(this.#heard.known(checkpoint.chain), checkpoint);
    return isKnown || this.#heard.isSigned(checkpoint) === true ? 'signed' : 'refused';
  }
}

function newestFirst(checkpoints: readonly Checkpoint[]): readonly Checkpoint[] {
  return checkpoints.toSorted((a, b) => (a.at < b.at ? 1 : -1));
}
