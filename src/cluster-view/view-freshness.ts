// Whether what the issuer has seen is new enough to sign by. An API server that is down stops nobody
// who is known, for a while; a watch that has stalled while the API server answers stops everybody,
// because somebody may want it to.

export type ViewAge = {
  /** Milliseconds since the epoch, as `progressAt`. */
  readonly now: number;
  /** When the slowest of the watches was last known to be up to date. */
  readonly progressAt: number;
  /** Of the milliseconds since then, those in which the API server was not away. */
  readonly answeredMs: number;
  readonly maxStalenessMs: number;
};

/** Bookmarks come every minute. */
export const MAX_STALL_MS = 90_000;

/**
 * While the API server is away a view grows no staler than the answers that were missed before; once it
 * is back, watches have what is left of the time to be back as well.
 */
export function isViewFresh({ now, progressAt, answeredMs, maxStalenessMs }: ViewAge): boolean {
  const age = now - progressAt;
  // A clock that was set back makes every age unknown.
  if (!(age >= 0)) return false;
  if (age < MAX_STALL_MS) return true;
  return answeredMs < MAX_STALL_MS && age < maxStalenessMs;
}
