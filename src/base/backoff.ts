// Exponential back-off with full jitter, as a pure function: attempt in, delay out.

export type BackoffOptions = {
  readonly initialMs: number;
  readonly maxMs: number;
  /** A number in [0, 1); injected so that tests are exact. */
  readonly random?: () => number;
};

/** Delay before retry number `attempt` (0 is the first retry): between half the step and the step. */
export function backoffMs(attempt: number, options: BackoffOptions): number {
  const step = Math.min(options.maxMs, options.initialMs * 2 ** Math.min(attempt, 30));
  const random = options.random ?? Math.random;
  return Math.round(step / 2 + (step / 2) * random());
}
