// When the API server answered, and when it was away: what tells a watch that has stalled from an API
// server that nobody can ask.

import type { Clock } from '../base/clock.ts';

/** Milliseconds since the epoch. */
type Outage = { readonly from: number; readonly to: number };

/** An answer that is missing now and then is no outage. */
const MIN_OUTAGE_MS = 10_000;
/** One that was forgotten counts as time in which the API server answered. */
const MAX_OUTAGES = 32;

export class ApiAnswers {
  readonly #clock: Clock;
  /** One after the other, none into another. */
  readonly #outages: Outage[] = [];
  #lastAt = Number.NEGATIVE_INFINITY;
  #hasFailed = false;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** When the API server last answered anything but an overload or a failure of its own. */
  get lastAt(): number {
    return this.#lastAt;
  }

  answered(): void {
    const now = this.#clock.now();
    // A clock that was set back: what is known of time says nothing any more.
    if (now < this.#lastAt) this.#outages.length = 0;
    if (this.#isAway(now)) {
      this.#outages.push({ from: this.#lastAt, to: now });
      if (this.#outages.length > MAX_OUTAGES) this.#outages.shift();
    }
    this.#hasFailed = false;
    this.#lastAt = now;
  }

  /** Nobody answered, or with an overload or a failure. */
  failed(): void {
    this.#hasFailed = true;
  }

  /** Of the milliseconds since then, those in which the API server was not away. */
  since(start: number): number {
    const now = this.#clock.now();
    const end = this.#isAway(now) ? this.#lastAt : now;
    let answered = Math.max(0, end - start);
    for (const { from, to } of this.#outages) answered -= Math.max(0, to - Math.max(from, start));
    return answered;
  }

  #isAway(now: number): boolean {
    return this.#hasFailed && Number.isFinite(this.#lastAt) && now - this.#lastAt >= MIN_OUTAGE_MS;
  }
}
