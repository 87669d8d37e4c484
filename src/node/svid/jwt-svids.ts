// JWT-SVIDs for the pods of this node. A token is signed for one set of audiences and served again
// until half its life is over; one that may be used only once is never served twice.

import type { Clock } from '../../base/clock.ts';
import { CodedError } from '../../base/errors.ts';
import { Latest } from '../../base/latest.ts';
import type { SpiffeId } from '../../spiffe/spiffe-id.ts';
import { isPassing } from './passing-reasons.ts';
import type { ServedIdentity } from './pod-answer.ts';

export type SignJwtRequest = {
  readonly podUid: string;
  readonly items: readonly { readonly entryId: string; readonly spiffeId: SpiffeId }[];
  readonly audience: readonly string[];
};

/** What the issuer says to one item. Times are milliseconds since the epoch. */
export type SignedJwt =
  | {
      readonly issued: true;
      readonly token: string;
      readonly issuedAt: number;
      readonly expiresAt: number;
    }
  | { readonly issued: false; readonly reason: string; readonly message: string };

export type JwtSvidsOptions = {
  readonly clock: Clock;
  readonly sign: (request: SignJwtRequest) => Promise<readonly SignedJwt[]>;
};

/** Dated by this node's clock, which need not be the issuer's. */
export type CachedToken = {
  readonly token: string;
  readonly receivedAt: number;
  readonly lifeMs: number;
};

/** Tokens kept per pod: a pod that asks for ever new audiences pushes out its own oldest. */
const MAX_CACHED = 64;
/** One that is longer, for many long audiences, is signed anew each time. */
const MAX_CACHED_CHARS = 4096;
/** A token whose issuer is away is still served while at least this much of its life is left. */
const MIN_LEFT_MS = 10_000;
/** Requests of one pod under way at once: the channel to the issuer is every pod's. */
const MAX_UNDER_WAY = 64;
/** How long a pod that the issuer throttled is not asked for again. */
const THROTTLED_FOR_MS = 1000;

/** The tokens of one pod; dropped with it. */
export class JwtSvids {
  readonly #options: JwtSvidsOptions;
  readonly #podUid: string;
  readonly #cache = new Map<string, CachedToken>();
  /** Counts the withdrawals: what was asked for before one is not kept after it. */
  readonly generation = new Latest<number>();
  #urgent = 0;
  #underWay = 0;
  #throttledAt = Number.NEGATIVE_INFINITY;

  constructor(podUid: string, options: JwtSvidsOptions) {
    this.#podUid = podUid;
    this.#options = options;
    this.generation.set(0);
  }

  /**
   * A token for each identity, in their order, with how long it is good for. Throws `permission-denied`
   * with the issuer's reason when one is refused, `unavailable` when the issuer cannot be asked and
   * nothing cached will do.
   */
  async fetch(
    identities: readonly ServedIdentity[],
    audience: readonly string[],
  ): Promise<readonly CachedToken[]> {
    const now = this.#options.clock.now();
    const generation = this.generation.value;
    const keys = identities.map((identity) => cacheKey(identity, audience));
    const cached = keys.map((key) => this.#cache.get(key));
    const wanted = identities.filter((identity, index) => {
      const token = cached[index];
      return identity.jwtSingleUse || token === undefined || !isFresh(token, now);
    });
    const signed = await this.#sign(wanted, audience, () =>
      cached.every((token) => token !== undefined && isUsable(token, now)),
    );
    const isCurrent = generation === this.generation.value;
    return identities.map((identity, index) => {
      const token = signed.get(identity.entryId) ?? (isCurrent ? cached[index] : undefined);
      if (token === undefined) throw new CodedError('unavailable', 'no token was signed');
      if (isCurrent && !identity.jwtSingleUse) this.#remember(keys[index] ?? '', token);
      return token;
    });
  }

  /** The newest generation that began at once: what is older must not be kept anywhere. */
  get urgent(): number {
    return this.#urgent;
  }

  /**
   * Forgets every token: an identity of the pod was withdrawn or restricted. `soon` where the same is
   * true of very many pods: those who keep tokens need not all ask at once.
   */
  clear(when: 'now' | 'soon' = 'now'): void {
    this.#cache.clear();
    const next = (this.generation.value ?? 0) + 1;
    if (when === 'now') this.#urgent = next;
    this.generation.set(next);
  }

  async #sign(
    wanted: readonly ServedIdentity[],
    audience: readonly string[],
    cachedWillDo: () => boolean,
  ): Promise<ReadonlyMap<string, CachedToken>> {
    const tokens = new Map<string, CachedToken>();
    if (wanted.length === 0) return tokens;
    const items = wanted.map(({ entryId, spiffeId }) => ({ entryId, spiffeId }));
    try {
      const results = await this.#ask({ podUid: this.#podUid, items, audience });
      for (const [index, { entryId }] of items.entries()) {
        tokens.set(entryId, accept(results[index], this.#options.clock.now()));
      }
      return tokens;
    } catch (thrown) {
      const error = CodedError.from(thrown);
      const single = wanted.some((identity) => identity.jwtSingleUse);
      if (error.code === 'unavailable' && !single && cachedWillDo()) return tokens;
      throw error;
    }
  }

  async #ask(request: SignJwtRequest): Promise<readonly SignedJwt[]> {
    const { clock, sign } = this.#options;
    const sinceThrottled = clock.now() - this.#throttledAt;
    const isThrottled = sinceThrottled >= 0 && sinceThrottled < THROTTLED_FOR_MS;
    if (isThrottled || this.#underWay >= MAX_UNDER_WAY) {
      throw new CodedError('unavailable', 'pod: too many JWT-SVIDs', { reason: 'Throttled' });
    }
    this.#underWay += 1;
    try {
      const results = await sign(request);
      const refused = results.find((result) => !result.issued && result.reason === 'Throttled');
      if (refused !== undefined) this.#throttledAt = clock.now();
      return results;
    } finally {
      this.#underWay -= 1;
    }
  }

  #remember(key: string, token: CachedToken): void {
    if (token.token.length > MAX_CACHED_CHARS) return;
    this.#cache.delete(key);
    this.#cache.set(key, token);
    for (const oldest of this.#cache.keys()) {
      if (this.#cache.size <= MAX_CACHED) break;
      this.#cache.delete(oldest);
    }
  }
}

function accept(result: SignedJwt | undefined, receivedAt: number): CachedToken {
  if (result === undefined) throw new CodedError('internal', 'the issuer left out an item');
  if (!result.issued) {
    const { reason, message } = result;
    const code = isPassing(reason, true) ? 'unavailable' : 'permission-denied';
    throw new CodedError(code, message, { reason });
  }
  const { token, issuedAt, expiresAt } = result;
  return { token, receivedAt, lifeMs: expiresAt - issuedAt };
}

function cacheKey(identity: ServedIdentity, audience: readonly string[]): string {
  return JSON.stringify([identity.entryId, identity.spiffeId, ...audience]);
}

/** Whether the first half of its life is not over. */
export function isFresh(token: CachedToken, now: number): boolean {
  return token.receivedAt <= now && now < freshUntil(token);
}

export function freshUntil({ receivedAt, lifeMs }: CachedToken): number {
  return receivedAt + lifeMs / 2;
}

/** Whether it still serves while no other can be had. */
// A clock that was set back cannot say how old the token is.
export function isUsable({ receivedAt, lifeMs }: CachedToken, now: number): boolean {
  return receivedAt <= now && receivedAt + lifeMs - now > MIN_LEFT_MS;
}
