// What a writer hears of chains, its own included: what is news is written into its chain. Words of lines
// that another process wrote are kept beside each other, for one of them may be the only true one.

import { createPublicKey, type KeyObject } from 'node:crypto';
import { type ChainHead, MAX_SKEW_MS } from './audit-chain.ts';
import { type Checkpoint, isSigned, keyId } from './checkpoint.ts';

export type HeardCheckpoint = {
  readonly checkpoint: Checkpoint;
  /** The node that says so; undefined: the anchor does. */
  readonly node?: string;
};

/** Of other writers, of which there are a few at a time. */
const MAX_CHAINS = 256;
/** Words on our own chain that are older than the newest one of them. */
const MAX_OLDER = 64;

export class HeardCheckpoints {
  /** The chain as the last process left it, and when; what this process writes it knows itself. */
  readonly #start: ChainHead | undefined;
  readonly #startedAt: number;
  /** Newest word on each other chain that is in ours, and what is still to be written. */
  readonly #written = new Map<string, Checkpoint>();
  readonly #pending = new Map<string, HeardCheckpoint>();
  /** Words on our own chain from before the start, by what they say; and the newest number in them. */
  readonly #own = new Set<string>();
  #newestOwn = 0;
  /** Keys that this process has signed with, by id. */
  readonly #keys = new Map<string, KeyObject>();

  constructor(start: ChainHead | undefined, now: number) {
    this.#start = start;
    this.#startedAt = now;
  }

  /** Whether the chain ended before that when this process took it over. */
  isLost({ sequence }: Checkpoint): boolean {
    return sequence > (this.#start?.sequence ?? 0);
  }

  /** Takes up a key of our own; its id. */
  addKey(privateKey: KeyObject): string {
    const publicKey = createPublicKey(privateKey);
    const key = keyId(publicKey);
    this.#keys.set(key, publicKey);
    return key;
  }

  hasKey(key: string): boolean {
    return this.#keys.has(key);
  }

  /** Whether a key of ours signed it; undefined: by a key that only a reader of all logs has. */
  isSigned(checkpoint: Checkpoint): boolean | undefined {
    const publicKey = this.#keys.get(checkpoint.key);
    return publicKey === undefined ? undefined : isSigned(checkpoint, publicKey);
  }

  /** Whether it says more than what is known, if it is true: asked before its signature is checked. */
  isNews(checkpoint: Checkpoint, head: ChainHead | undefined): boolean {
    const { chain, sequence } = checkpoint;
    const id = this.#idOf(checkpoint);
    if (this.#pending.size >= MAX_CHAINS && !this.#pending.has(id)) return false;
    if (id !== chain) {
      const hasRoom = sequence > this.#newestOwn || this.#own.size < MAX_OLDER;
      return hasRoom && !this.#own.has(id);
    }
    const own = chain === head?.chain ? head.sequence : 0;
    return sequence > Math.max(this.known(chain)?.sequence ?? 0, own);
  }

  /** The newest word on another chain that is written down, or about to be. */
  known(chain: string): Checkpoint | undefined {
    return this.#pending.get(chain)?.checkpoint ?? this.#written.get(chain);
  }

  /** To be written down, when it is news. */
  hear(heard: HeardCheckpoint, head: ChainHead | undefined): void {
    const { checkpoint } = heard;
    if (!this.isNews(checkpoint, head)) return;
    const id = this.#idOf(checkpoint);
    this.#pending.set(id, heard);
    if (id === checkpoint.chain) return;
    this.#own.add(id);
    // A number that nobody may have signed makes no later word an older one.
    if (!this.#keys.has(checkpoint.key)) return;
    this.#newestOwn = Math.max(this.#newestOwn, checkpoint.sequence);
  }

  // Of our own lines from before the start any word may be the true one: each is by itself.
  #idOf({ chain, sequence, hash, at }: Checkpoint): string {
    const start = this.#start;
    if (chain !== start?.chain) return chain;
    const isBefore = sequence <= start.sequence || Date.parse(at) <= this.#startedAt;
    return isBefore ? `${chain} ${sequence} ${hash}` : chain;
  }

  /** What is to be written; it counts as written from then on. */
  *take(): Iterable<HeardCheckpoint> {
    for (const [id, heard] of this.#pending) {
      yield heard;
      this.#pending.delete(id);
      const { checkpoint } = heard;
      if (id !== checkpoint.chain) continue;
      this.#written.delete(id);
      this.#written.set(id, checkpoint);
    }
    for (const chain of this.#written.keys()) {
      if (this.#written.size <= MAX_CHAINS) break;
      this.#written.delete(chain);
    }
  }
}

/** Whether it can have been signed by now; what says otherwise would never be over. */
export function isOfThePast({ at }: Checkpoint, now: number): boolean {
  return Date.parse(at) <= now + MAX_SKEW_MS;
}
