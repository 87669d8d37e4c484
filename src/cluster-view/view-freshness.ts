// Whether what the issuer has seen is new enough to sign by. An API server that is down stops nobody
// who is known, for a while; a watch that has stalled while the API server answers stops everybody,
// because somebody may want it to.

export type ViewAge = {
  /** Milliseconds since the epoch, as all of these. */
  readonly now: number;
  /** When the slowest of the watches was last known to be up to date. */
  readonly progressAt: number;
  /** When the API server last answered anything. */
  readonly answeredAt: number;
  readonly maxStalenessMs: number;
};

/** Bookmarks come every minute. */
export const MAX_STALL_MS = 90_000;

export function isViewFresh({ now, progressAt, answeredAt, maxStalenessMs }: ViewAge): boolean {
  const age = now - progressAt;
  // A clock that was set back makes every age unknown.
  if (!(age >= 0)) return false;
  if (age < MAX_STALL_MS) return true;
  const isDown = now - answeredAt >= MAX_STALL_MS;
  return isDown && age < maxStalenessMs;
}
