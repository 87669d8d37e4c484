// Token buckets by key: so many a second, with a burst, for each of those who ask.

import type { Clock } from './clock.ts';

export type RateLimit = { readonly perSecond: number; readonly burst: number };

type Bucket = { tokens: number; at: number };

/** Buckets kept; beyond this the fullest ones, which say nothing, are dropped. */
const MAX_BUCKETS = 200_000;

export class RateLimits {
  readonly #clock: Clock;
  readonly #limit: RateLimit;
  readonly #buckets = new Map<string, Bucket>();

  constructor(clock: Clock, limit: RateLimit) {
    this.#clock = clock;
    this.#limit = limit;
  }

  /** Takes `count` tokens for `key`; false, and takes nothing, when there are not enough. */
  take(key: string, count: number): boolean {
    const now = this.#clock.now();
    const { perSecond, burst } = this.#limit;
    const bucket = this.#buckets.get(key) ?? { tokens: burst, at: now };
    // A clock that was set back gives nothing and costs nothing.
    const passed = Math.max(0, now - bucket.at) / 1000;
    const tokens = Math.min(burst, bucket.tokens + passed * perSecond);
    const enough = tokens >= count;
    this.#buckets.set(key, { tokens: enough ? tokens - count : tokens, at: now });
    if (this.#buckets.size > MAX_BUCKETS) this.#dropFull(now);
    return enough;
  }

  #dropFull(now: number): void {
    const fullAfterMs = (this.#limit.burst / this.#limit.perSecond) * 1000;
    for (const [key, { at }] of this.#buckets)
      if (now - at > fullAfterMs) this.#buckets.delete(key);
  }
}
