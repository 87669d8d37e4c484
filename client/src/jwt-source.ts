// JWT-SVIDs to show to others, one per audience and identity, fetched when first asked for and again
// after half of their life. What the server refuses is not served from memory either.

import { type Clock, systemClock } from '../../src/base/clock.ts';
import { CodedError } from '../../src/base/errors.ts';
import type { FetchedJwtSvid } from './jwt-svids.ts';
import { type JwtSvidRequest, WorkloadApiClient } from './workload-api-client.ts';

export type JwtSourceOptions = {
  /** `unix:///path` or `tcp://ip:port`; without it, SPIFFE_ENDPOINT_SOCKET. */
  readonly address?: string;
  readonly clock?: Clock;
};

type Held = { readonly svid: FetchedJwtSvid; readonly refreshAt: number };

/** Audiences may come from requests, so their number is not ours to choose. */
const MAX_HELD = 256;

export class JwtSource {
  readonly #client: WorkloadApiClient;
  readonly #clock: Clock;
  readonly #held = new Map<string, Held>();
  readonly #fetching = new Map<string, Promise<FetchedJwtSvid>>();

  constructor(options: JwtSourceOptions = {}) {
    this.#client = new WorkloadApiClient(
      options.address === undefined ? {} : { address: options.address },
    );
    this.#clock = options.clock ?? systemClock;
  }

  /** A token with at least half of its life left, or with less while the server is away. */
  async fetch(request: JwtSvidRequest): Promise<FetchedJwtSvid> {
    const key = JSON.stringify([[request.audience].flat(), request.spiffeId ?? '']);
    const held = this.#held.get(key);
    if (held !== undefined && this.#clock.now() < held.refreshAt) return held.svid;
    let fetching = this.#fetching.get(key);
    if (fetching === undefined) {
      fetching = this.#refresh(key, request).finally(() => this.#fetching.delete(key));
      this.#fetching.set(key, fetching);
    }
    return await fetching;
  }

  close(): void {
    this.#held.clear();
    this.#client.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  async #refresh(key: string, request: JwtSvidRequest): Promise<FetchedJwtSvid> {
    try {
      const svid = await this.#client.fetchJwtSvid(request);
      this.#hold(key, svid);
      return svid;
    } catch (thrown) {
      const held = this.#held.get(key);
      const isAway = CodedError.from(thrown).code === 'unavailable';
      if (isAway && held !== undefined && this.#clock.now() < held.svid.expiresAt) return held.svid;
      this.#held.delete(key);
      throw thrown;
    }
  }

  #hold(key: string, svid: FetchedJwtSvid): void {
    const now = this.#clock.now();
    // Newest last: the first key is the one that was fetched longest ago.
    this.#held.delete(key);
    this.#held.set(key, { svid, refreshAt: now + (svid.expiresAt - now) / 2 });
    const [oldest] = this.#held.keys();
    if (this.#held.size > MAX_HELD && oldest !== undefined) this.#held.delete(oldest);
  }
}
