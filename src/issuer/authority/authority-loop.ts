// Looks at the authorities again and again: lets the keeper do what is due, if this process plays
// that role, then takes in what the store holds. Failures are tried again; what signed before signs
// on until it expires.

import { backoffMs } from '../../base/backoff.ts';
import type { Clock } from '../../base/clock.ts';
import type { Logger } from '../../base/log.ts';
import type { AuthorityKeeper } from './authority-keeper.ts';
import type { AuthorityView } from './signing-authorities.ts';

export type AuthorityLoopOptions = {
  readonly keeper: AuthorityKeeper | undefined;
  readonly view: AuthorityView;
  readonly clock: Clock;
  readonly log: Logger;
};

/** Those who only follow notice within this what another process has changed. */
const LOOK_EVERY_MS = 5000;
const KEEP_EVERY_MS = 30_000;
const RETRY = { initialMs: 500, maxMs: LOOK_EVERY_MS } as const;

export class AuthorityLoop {
  readonly #options: AuthorityLoopOptions;

  constructor(options: AuthorityLoopOptions) {
    this.#options = options;
  }

  /** Until aborted; `afterLook` is called after every look, good or not: it does what is due anyway. */
  async run(signal: AbortSignal, afterLook: () => void): Promise<void> {
    const { keeper, view, clock, log } = this.#options;
    let attempt = 0;
    while (!signal.aborted) {
      let waitMs = keeper === undefined ? LOOK_EVERY_MS : KEEP_EVERY_MS;
      try {
        await keeper?.settle();
        await view.refresh();
        attempt = 0;
      } catch (err) {
        log.error({ err, attempt }, 'Failed to keep the authorities, will retry');
        waitMs = backoffMs(attempt, RETRY);
        attempt += 1;
      }
      afterLook();
      await clock.sleep(waitMs, signal);
    }
  }
}
