// JWT-SVIDs to show to others, one per audience and identity, fetched when first asked for and again
// after half of their life. What the server refuses is not served from memory either.

import { type Clock, systemClock } from '../../src/base/clock.ts';
import type { FetchedJwtSvid } from './jwt-svids.ts';
import { Renewed } from './renewed.ts';
import { type JwtSvidRequest, WorkloadApiClient } from './workload-api-client.ts';

export type JwtSourceOptions = {
  /** `unix:///path` or `tcp://ip:port`; without it, SPIFFE_ENDPOINT_SOCKET. */
  readonly address?: string;
  readonly clock?: Clock;
};

/** Audiences may come from requests, so their number is not ours to choose. */
const MAX_HELD = 256;

export class JwtSource {
  readonly #client: WorkloadApiClient;
  readonly #clock: Clock;
  readonly #held = new Map<string, Renewed<FetchedJwtSvid>>();

  constructor(options: JwtSourceOptions = {}) {
    this.#client = new WorkloadApiClient(
      options.address === undefined ? {} : { address: options.address },
    );
    this.#clock = options.clock ?? systemClock;
  }

  /** A token with at least half of its life left, or with less while the server is away. */
  async fetch(request: JwtSvidRequest): Promise<FetchedJwtSvid> {
    const key = JSON.stringify([[request.audience].flat(), request.spiffeId ?? '']);
    const renewed = this.#held.get(key) ?? this.#renewed(request);
    // Newest last: the first key is the one that nobody has asked for longest.
    this.#held.delete(key);
    this.#held.set(key, renewed);
    const [oldest] = this.#held.keys();
    if (this.#held.size > MAX_HELD && oldest !== undefined) this.#held.delete(oldest);
    return await renewed.get();
  }

  /** One that was in nobody's hands, for who takes a token once: an exchange of one with a `jti`. */
  async fetchNew(request: JwtSvidRequest): Promise<FetchedJwtSvid> {
    return await this.#client.fetchJwtSvid(request);
  }

  close(): void {
    this.#held.clear();
    this.#client.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #renewed(request: JwtSvidRequest): Renewed<FetchedJwtSvid> {
    return new Renewed({
      obtain: () => this.#client.fetchJwtSvid(request),
      marginMs: (lifeMs) => lifeMs / 2,
      clock: this.#clock,
    });
  }
}
