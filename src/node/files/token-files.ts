// The tokens of one volume's files: each is replaced at half life, kept while the issuer is away and
// it still serves, and dropped as soon as the issuer refuses it.

import type { Clock } from '../../base/clock.ts';
import { CodedError } from '../../base/errors.ts';
import type { TokenFile } from '../../base/file-attributes.ts';
import type { Logger } from '../../base/log.ts';
import { type CachedToken, isFresh, isUsable, type JwtSvids } from '../svid/jwt-svids.ts';
import type { ServedIdentity } from '../svid/pod-answer.ts';

/** By file name. */
export type Tokens = {
  readonly inHand: ReadonlyMap<string, string>;
  /** When to look again, in milliseconds since the epoch; undefined when nothing will change. */
  readonly lookAt: number | undefined;
  /** Whether one is missing that was not refused. */
  readonly isWaiting: boolean;
};

export type TokenFilesOptions = {
  readonly clock: Clock;
  readonly log: Logger;
  /** In [0, 1). */
  readonly random?: () => number;
};

type Held = {
  readonly token: CachedToken;
  readonly spiffeId: string;
  readonly generation: number;
  /** When it is replaced, since it is of an older generation. */
  readonly replaceAt?: number;
};

const RETRY_MS = 2000;
/** The issuer may think otherwise later, without a word about this pod. */
const ASK_AGAIN_MS = 30_000;
/** Over how long the files of all pods are written anew when something ends the tokens of all. */
const SPREAD_MS = 10_000;

export class TokenFiles {
  readonly #wanted: readonly TokenFile[];
  readonly #clock: Clock;
  readonly #log: Logger;
  readonly #random: () => number;
  readonly #held = new Map<string, Held>();
  /** What was logged of each file, so that it is said once. */
  readonly #said = new Map<string, string>();

  constructor(wanted: readonly TokenFile[], { clock, log, random }: TokenFilesOptions) {
    this.#wanted = wanted;
    this.#clock = clock;
    this.#log = log;
    this.#random = random ?? Math.random;
  }

  async collect(identity: ServedIdentity, jwtSvids: JwtSvids): Promise<Tokens> {
    const refusal = refusalOf(identity);
    const looks = await Promise.all(
      this.#wanted.map(async (file) =>
        refusal === undefined
          ? await this.#look(file, identity, jwtSvids)
          : this.#drop(file, refusal, undefined),
      ),
    );
    const times = looks.filter((at) => at !== undefined);
    return {
      inHand: new Map([...this.#held].map(([name, { token }]) => [name, token.token])),
      lookAt: times.length === 0 ? undefined : Math.min(...times),
      isWaiting:
        refusal === undefined &&
        this.#wanted.some(({ name }) => !this.#held.has(name) && !this.#said.has(name)),
    };
  }

  clear(): void {
    this.#held.clear();
  }

  async #look(
    file: TokenFile,
    identity: ServedIdentity,
    jwtSvids: JwtSvids,
  ): Promise<number | undefined> {
    const { name, audience } = file;
    const { spiffeId } = identity;
    const generation = jwtSvids.generation.value ?? 0;
    const held = this.#held.get(name);
    const isOfIdentity = held?.spiffeId === spiffeId;
    const now = this.#clock.now();
    if (isOfIdentity && held.generation >= jwtSvids.urgent && isFresh(held.token, now)) {
      if (held.generation === generation) return halfLifeOf(held.token);
      const { replaceAt = now + Math.round(this.#random() * SPREAD_MS) } = held;
      // A clock that was set back must not make it longer.
      if (now < replaceAt && replaceAt <= now + SPREAD_MS) {
        this.#held.set(name, { ...held, replaceAt });
        return Math.min(replaceAt, halfLifeOf(held.token));
      }
    }
    if (!isOfIdentity) this.#held.delete(name);
    try {
      const [token] = await jwtSvids.fetch([identity], [audience]);
      if (token === undefined) throw new CodedError('unavailable', 'no token was signed');
      this.#held.set(name, { token, spiffeId, generation });
      this.#said.delete(name);
      return Math.max(halfLifeOf(token), this.#clock.now() + RETRY_MS);
    } catch (thrown) {
      const { code, reason, message } = CodedError.from(thrown);
      if (code === 'permission-denied') return this.#drop(file, reason ?? message, ASK_AGAIN_MS);
      if (held !== undefined && !isUsable(held.token, this.#clock.now())) this.#held.delete(name);
      this.#log.debug({ path: name, err: thrown }, 'Failed to get a token for a file, will retry');
      return this.#clock.now() + RETRY_MS;
    }
  }

  #drop({ name }: TokenFile, reason: string, afterMs: number | undefined) {
    this.#held.delete(name);
    if (this.#said.get(name) !== reason) {
      this.#log.warn({ path: name, reason }, 'A token is refused, and its file removed');
      this.#said.set(name, reason);
    }
    return afterMs === undefined ? undefined : this.#clock.now() + afterMs;
  }
}

/** A token that may be used once cannot lie in a file, where whoever reads it uses it again. */
function refusalOf({ jwtDenied, jwtSingleUse }: ServedIdentity): string | undefined {
  if (jwtDenied) return 'JwtDenied';
  return jwtSingleUse ? 'JwtSingleUse' : undefined;
}

function halfLifeOf({ receivedAt, lifeMs }: CachedToken): number {
  return receivedAt + lifeMs / 2;
}
