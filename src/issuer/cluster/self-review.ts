// What the issuer can only find out by trying: whether this API server says of a token which pod and
// which node it is bound to. Without that nobody can be told from anybody, so it is not ready.

import { backoffMs } from '../../base/backoff.ts';
import type { Clock } from '../../base/clock.ts';
import { CodedError } from '../../base/errors.ts';
import type { Logger } from '../../base/log.ts';
import { EXTRA, extraOf, type TokenReview } from '../../kube/token-review.ts';

export type SelfReviewOptions = {
  /** The issuer's own token, reviewed for the API server's own audience. */
  readonly review: () => Promise<TokenReview>;
  readonly clock: Clock;
  readonly log: Logger;
};

const RETRY = { initialMs: 1000, maxMs: 60_000 } as const;

export class SelfReview {
  readonly #options: SelfReviewOptions;
  #missing: readonly string[] = ['self review: not done yet'];

  constructor(options: SelfReviewOptions) {
    this.#options = options;
  }

  /** Why the issuer is not ready; empty once the API server has said all that is needed. */
  get missing(): readonly string[] {
    return this.#missing;
  }

  /** Tries until it succeeds or is aborted. */
  async run(signal: AbortSignal): Promise<void> {
    const { review, clock, log } = this.#options;
    for (let attempt = 0; !signal.aborted; attempt += 1) {
      try {
        this.#missing = missingOf(await review());
        if (this.#missing.length === 0) return;
        log.error(
          { reason: this.#missing.join('; ') },
          'The API server does not say enough of tokens',
        );
      } catch (thrown) {
        const err = CodedError.from(thrown);
        this.#missing = [`self review: ${err.message}`];
        log.warn({ err, attempt }, 'Failed to review the own token, will retry');
      }
      await clock.sleep(backoffMs(attempt, RETRY), signal);
    }
  }
}

function missingOf(review: TokenReview): readonly string[] {
  if (!review.authenticated) return ['self review: the own token is not accepted'];
  const missing: string[] = [];
  if (review.audiences.length === 0) missing.push('self review: no audience (status.audiences)');
  for (const key of [EXTRA.podName, EXTRA.podUid, EXTRA.nodeName]) {
    if (extraOf(review, key) === '') {
      missing.push(`self review: no ${key}; Kubernetes 1.30 or newer is needed`);
    }
  }
  return missing;
}
