// How often the Envoys of one volume may speak: each word costs parsing, and one that is rejected a
// line in the log.

import type { Clock } from '../../base/clock.ts';
import { CodedError } from '../../base/errors.ts';

/** An Envoy with a hundred secrets says two hundred words at its start, and a hundred a change. */
const BURST = 1000;
const PER_SECOND = 100;
const LOG_EVERY_MS = 10_000;

export class RequestBudget {
  readonly #clock: Clock;
  #left = BURST;
  #at: number;
  #loggedAt: number | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#at = clock.now();
  }

  /** Takes one request; throws `resource-exhausted` when there were too many. */
  take(): void {
    const now = this.#clock.now();
    // A clock that was set back gives nothing and costs nothing.
    const passed = Math.max(0, now - this.#at) / 1000;
    this.#left = Math.min(BURST, this.#left + passed * PER_SECOND);
    this.#at = now;
    if (this.#left < 1) {
      throw new CodedError('resource-exhausted', `over ${PER_SECOND} requests a second`);
    }
    this.#left -= 1;
  }

  /** Whether it is time for another line of the log. */
  mayLog(): boolean {
    const now = this.#clock.now();
    const since = now - (this.#loggedAt ?? Number.NEGATIVE_INFINITY);
    if (since >= 0 && since < LOG_EVERY_MS) return false;
    this.#loggedAt = now;
    return true;
  }
}
