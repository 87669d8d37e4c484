// Who is watching now. A change reaches the outboxes of the nodes concerned; what a node has
// acknowledged is remembered as long as it watches.

import type { Clock } from '../../base/clock.ts';
import { CodedError } from '../../base/errors.ts';
import { type MintLimit, MintLimits } from '../policy/mint-limits.ts';
import { REASON } from '../policy/reasons.ts';
import { NodeOutbox } from './node-outbox.ts';

export type NodeSession = {
  readonly node: string;
  readonly outbox: NodeOutbox;
  /** Versions applied, by pod UID; '' is the bundles. */
  readonly acknowledged: Map<string, bigint>;
  /** Ends the stream with Unavailable. */
  readonly end: () => void;
};

/** One, two while a plugin is replaced; more are left-overs of connections that died unnoticed. */
const MAX_PER_NODE = 4;

/** Each costs the whole view of a node; a plugin that keeps failing waits longer than this. */
const OPENINGS: MintLimit = { perSecond: 0.5, burst: 20 };

export class NodeSessions {
  readonly #byNode = new Map<string, NodeSession[]>();
  readonly #openings: MintLimits;

  constructor(clock: Clock) {
    this.#openings = new MintLimits(clock, OPENINGS);
  }

  /** Throws `unavailable` when the node opens too many. */
  open(node: string, end: () => void): NodeSession {
    if (!this.#openings.take(node, 1)) {
      throw new CodedError('unavailable', 'too many watches opened', { reason: REASON.THROTTLED });
    }
    const session = { node, end, outbox: new NodeOutbox(), acknowledged: new Map() };
    const sessions = [...(this.#byNode.get(node) ?? []), session];
    if (sessions.length > MAX_PER_NODE) sessions.shift()?.end();
    this.#byNode.set(node, sessions);
    return session;
  }

  close(session: NodeSession): void {
    const left = (this.#byNode.get(session.node) ?? []).filter((other) => other !== session);
    if (left.length === 0) this.#byNode.delete(session.node);
    else this.#byNode.set(session.node, left);
  }

  of(node: string): readonly NodeSession[] {
    return this.#byNode.get(node) ?? [];
  }

  *all(): Iterable<NodeSession> {
    for (const sessions of this.#byNode.values()) yield* sessions;
  }
}
