// Who calls, in a cluster: the API server vouches for the token, the issuer's own view for the pod.
// Reviews are few: garbage never gets one, and one answer serves for minutes, while the pod lives.

import { hash } from 'node:crypto';
import type { Clock } from '../../base/clock.ts';
import { allow, CodedError, type Decision, refuse } from '../../base/errors.ts';
import { Slots } from '../../base/slots.ts';
import type { PodObject } from '../../identity/objects.ts';
import { EXTRA, extraOf, type TokenReview } from '../../kube/token-review.ts';
import type { CallerAuthenticator, NodeCaller } from '../caller.ts';
import { type BoundToken, judgeCallerPod, type NodePluginPlace } from './caller-pod.ts';
import { readUnverified, type TokenClaims } from './unverified-token.ts';

export type TokenReviewAuthenticatorOptions = {
  /** `signet-issuer/<trust domain>`. */
  readonly audience: string;
  readonly place: NodePluginPlace;
  /** Asks the API server, for our audience. */
  readonly review: (token: string, audiences: readonly string[]) => Promise<TokenReview>;
  /** The issuer's own view. */
  readonly pod: (uid: string) => PodObject | undefined;
  readonly clock: Clock;
  /** How long an answer serves when the API server cannot be asked again; default: no longer. */
  readonly whileDownMs?: number;
};

type Known = {
  readonly verdict: Decision<BoundToken & { readonly credentialId: string }>;
  readonly at: number;
};

const REVIEW_LASTS_MS = 5 * 60_000;
const REFUSAL_LASTS_MS = 10_000;
const REVIEWS_AT_ONCE = 50;
const REVIEWS_WAITING = 5000;
const MAX_KNOWN = 20_000;

export class TokenReviewAuthenticator implements CallerAuthenticator {
  readonly #options: TokenReviewAuthenticatorOptions;
  readonly #username: string;
  readonly #slots = new Slots({
    atOnce: REVIEWS_AT_ONCE,
    waiting: REVIEWS_WAITING,
    what: 'token reviews',
  });
  /** By hash of the token, oldest first. */
  readonly #known = new Map<string, Known>();
  readonly #underWay = new Map<string, Promise<Known>>();

  constructor(options: TokenReviewAuthenticatorOptions) {
    const { namespace, serviceAccount } = options.place;
    this.#options = options;
    this.#username = `system:serviceaccount:${namespace}:${serviceAccount}`;
  }

  async authenticate(token: string): Promise<Decision<NodeCaller>> {
    const { pod, place, clock } = this.#options;
    const claims = readUnverified(token);
    if (claims === undefined) return refuse('TokenMalformed', 'token: not a signed JWT');
    if (claims.expiresAt <= clock.now()) return refuse('TokenExpired', 'token: expired');
    if (!this.#mayBeOurs(claims)) {
      return refuse('TokenNotForUs', 'token: not of the node plugin, or for another audience');
    }
    const digest = hash('sha256', token, 'hex');
    const { verdict } = await this.#verify(token, digest);
    if (!verdict.allowed) return verdict;
    const bound = verdict.value;
    const caller = pod(bound.podUid);
    // Whatever was known of the token, it was known of a pod that lives.
    if (caller === undefined) this.#known.delete(digest);
    const judged = judgeCallerPod(caller, bound, place);
    if (!judged.allowed) return judged;
    const { node, credentialId } = bound;
    return allow({ node, credentialId, expiresAt: claims.expiresAt });
  }

  #mayBeOurs({ subject, audiences }: TokenClaims): boolean {
    return subject === this.#username && audiences.includes(this.#options.audience);
  }

  async #verify(token: string, digest: string): Promise<Known> {
    const known = this.#known.get(digest);
    if (known !== undefined && this.#isRecent(known, lasts(known))) return known;
    let asking = this.#underWay.get(digest);
    if (asking === undefined) {
      asking = this.#ask(token, digest).finally(() => this.#underWay.delete(digest));
      this.#underWay.set(digest, asking);
    }
    try {
      return await asking;
    } catch (thrown) {
      const error = CodedError.from(thrown);
      const { whileDownMs = 0 } = this.#options;
      const isUsable = known?.verdict.allowed === true && this.#isRecent(known, whileDownMs);
      if (error.code === 'unavailable' && isUsable) return known;
      // Whatever the API server has against the issuer is no word about the caller.
      throw new CodedError('unavailable', 'the token cannot be reviewed now', { cause: error });
    }
  }

  #isRecent({ at }: Known, lastsMs: number): boolean {
    const age = this.#options.clock.now() - at;
    return age >= 0 && age < lastsMs;
  }

  async #ask(token: string, digest: string): Promise<Known> {
    const { review, audience, clock } = this.#options;
    const answer = await this.#slots.run(async () => await review(token, [audience]));
    const known: Known = { verdict: this.#judge(answer, digest), at: clock.now() };
    this.#known.delete(digest);
    this.#known.set(digest, known);
    for (const [oldest] of this.#known) {
      if (this.#known.size <= MAX_KNOWN) break;
      this.#known.delete(oldest);
    }
    return known;
  }

  #judge(review: TokenReview, digest: string): Known['verdict'] {
    if (!review.authenticated) return refuse('TokenInvalid', 'token: not authentic');
    if (!review.audiences.includes(this.#options.audience)) {
      return refuse('TokenAudience', 'token: for another audience');
    }
    if (review.username !== this.#username) {
      return refuse('NotNodePlugin', 'token: of another ServiceAccount');
    }
    const podUid = extraOf(review, EXTRA.podUid);
    const podName = extraOf(review, EXTRA.podName);
    const node = extraOf(review, EXTRA.nodeName);
    if (podUid === '' || podName === '' || node === '') {
      return refuse('TokenUnbound', 'token: not bound to a pod and its node');
    }
    const credentialId = extraOf(review, EXTRA.credentialId) || digest.slice(0, 16);
    return allow({ podUid, podName, node, credentialId });
  }
}

function lasts({ verdict }: Known): number {
  return verdict.allowed ? REVIEW_LASTS_MS : REFUSAL_LASTS_MS;
}
