// Time is an input. Everything timed takes a Clock, so tests drive time and production re-reads
// the wall clock: a laptop that slept, or a clock that was set, heals at the next look.

/** Wall-clock time in milliseconds since the epoch, and waiting. */
export interface Clock {
  now(): number;
  /** Resolves after `ms`, or at once when `signal` is aborted. Never rejects. */
  sleep(ms: number, signal: AbortSignal): Promise<void>;
}

/** No wait lasts longer than this before the wall clock is read again. */
export const MAX_UNCHECKED_SLEEP_MS = 30_000;

export const systemClock: Clock = {
  now: () => Date.now(),
  sleep: async (ms, signal) => {
    if (signal.aborted) return;
    // setTimeout fires at once for delays over 2^31-1 ms, so cap what is asked of it.
    const delay = Math.min(Math.max(0, ms), 0x7fffffff);
    await new Promise<void>((resolve) => {
      const onAbort = () => {
        clearTimeout(timer);
        resolve();
      };
      const timer = setTimeout(() => {
        signal.removeEventListener('abort', onAbort);
        resolve();
      }, delay);
      signal.addEventListener('abort', onAbort, { once: true });
    });
  },
};

/** Waits until the wall clock reaches `atMs`, looking again at least every 30 seconds. */
export async function sleepUntil(clock: Clock, atMs: number, signal: AbortSignal): Promise<void> {
  for (;;) {
    const left = atMs - clock.now();
    if (left <= 0 || signal.aborted) return;
    await clock.sleep(Math.min(left, MAX_UNCHECKED_SLEEP_MS), signal);
  }
}
