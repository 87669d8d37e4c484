// Work that is done again and again, because what it depends on may change without a word.

import { backoffMs } from '../base/backoff.ts';
import type { Clock } from '../base/clock.ts';
import { CodedError } from '../base/errors.ts';
import type { Logger } from '../base/log.ts';

export type RepeatOptions = {
  /** What is done, for the log. */
  readonly what: string;
  readonly everyMs: number;
  readonly clock: Clock;
  readonly log: Logger;
};

const RETRY_MS = 1000;

/** Does `work` until aborted; a failure is logged, and tried again sooner. Never rejects. */
export async function repeat(
  { what, everyMs, clock, log }: RepeatOptions,
  work: () => Promise<void>,
  signal: AbortSignal,
): Promise<void> {
  let failures = 0;
  while (!signal.aborted) {
    let wait = everyMs;
    try {
      await work();
      failures = 0;
    } catch (thrown) {
      if (signal.aborted) return;
      const err = CodedError.from(thrown);
      wait = backoffMs(failures, { initialMs: RETRY_MS, maxMs: everyMs });
      failures += 1;
      // Whoever waits for something looks often, and need not say so each time.
      if (failures === 1) log.warn({ reason: what, err }, 'Failed, will retry');
      else log.debug({ reason: what, err, attempt: failures }, 'Failed again, will retry');
    }
    await clock.sleep(wait, signal);
  }
}
