// Notices that the authority state was replaced by an older one, as by a restore: nodes remember the
// highest bundle sequence they have seen. One node's word stops what is signed for that node; to stop
// the issuer takes a part of the cluster, so that no single node can do it by lying.

import type { Clock } from '../../base/clock.ts';

export type RollbackAlarmOptions = {
  readonly clock: Clock;
  /** The sequence of the bundle that we publish. */
  readonly sequence: () => number;
  /** Whether this process has seen a newer state itself, which needs no other witness. */
  readonly hasGoneBack?: () => boolean;
  /** The nodes with a plugin of ours; all that ever reported, where nobody knows. */
  readonly nodes?: () => ReadonlySet<string>;
  /** Called once whenever it begins. */
  readonly onRaise: (seen: { readonly nodes: number; readonly sequence: bigint }) => void;
};

/** A sequence follows the clock of whoever changes the bundle; one far ahead of ours is made up. */
const MAX_SKEW_SECONDS = 300;
/** Of the nodes. After a restore nearly all of them say so, within one life of a Watch. */
const PART = 4;
const AT_LEAST = 2;

export class RollbackAlarm {
  readonly #options: RollbackAlarmOptions;
  readonly #seen = new Map<string, bigint>();
  #isRaised = false;

  constructor(options: RollbackAlarmOptions) {
    this.#options = options;
  }

  get sequence(): number {
    return this.#options.sequence();
  }

  /** Whether the issuer must sign for nobody. */
  get isRaised(): boolean {
    return this.#isRaised;
  }

  /** Whether this node has seen a newer bundle than ours, or says so. */
  isAhead(node: string): boolean {
    return (this.#seen.get(node) ?? 0n) > BigInt(this.#options.sequence());
  }

  /** What an authenticated node says it has seen. */
  report(node: string, sequence: bigint): void {
    this.#seen.set(node, sequence);
    this.look();
  }

  /** Judges anew: our own sequence may have changed, or the nodes. */
  look(): void {
    const { sequence, nodes, onRaise } = this.#options;
    const wasRaised = this.#isRaised;
    const present = nodes?.() ?? new Set(this.#seen.keys());
    for (const node of this.#seen.keys()) if (!present.has(node)) this.#seen.delete(node);
    const own = BigInt(sequence());
    const newest = BigInt(Math.floor(this.#options.clock.now() / 1000) + MAX_SKEW_SECONDS);
    const ahead = [...this.#seen.values()].filter((seen) => seen > own && seen <= newest);
    const isPart = ahead.length > 0 && ahead.length >= enough(present.size);
    this.#isRaised = isPart || this.#options.hasGoneBack?.() === true;
    if (!this.#isRaised || wasRaised) return;
    const highest = ahead.reduce((max, seen) => (seen > max ? seen : max), own);
    onRaise({ nodes: ahead.length, sequence: highest });
  }
}

function enough(nodes: number): number {
  return Math.min(nodes, Math.max(AT_LEAST, Math.ceil(nodes / PART)));
}
