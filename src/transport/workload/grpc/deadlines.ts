// When calls that have a time limit are over. One timer for all: most calls end long before theirs.

import { monotonicNow } from '../http2/ticker.ts';

export type Expiring = { expire(): void };

/** A timer is never set for longer, so that a server that was closed is not kept for long either. */
const MAX_DELAY_MS = 60_000;

export class Deadlines {
  readonly #dueAt = new Map<Expiring, number>();
  #timerAt = Number.POSITIVE_INFINITY;
  #timer: NodeJS.Timeout | undefined;

  add(one: Expiring, afterMs: number): void {
    const now = monotonicNow();
    this.#dueAt.set(one, now + afterMs);
    if (now + afterMs < this.#timerAt) this.#arm(now, now + afterMs);
  }

  /** The timer stays: it is cheaper to look in vain than to set it anew for every call. */
  delete(one: Expiring): void {
    this.#dueAt.delete(one);
  }

  #arm(now: number, at: number): void {
    clearTimeout(this.#timer);
    const delay = Math.min(MAX_DELAY_MS, Math.ceil(at - now));
    this.#timerAt = now + delay;
    this.#timer = setTimeout(this.#look, delay).unref();
  }

  readonly #look = (): void => {
    this.#timerAt = Number.POSITIVE_INFINITY;
    const now = monotonicNow();
    let next = Number.POSITIVE_INFINITY;
    for (const [one, at] of this.#dueAt) {
      if (at > now) {
        next = Math.min(next, at);
        continue;
      }
      this.#dueAt.delete(one);
      one.expire();
    }
    if (next !== Number.POSITIVE_INFINITY) this.#arm(now, next);
  };
}
