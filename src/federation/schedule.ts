// When to fetch again (SPIFFE Federation §4.1, §6.2): at the interval the peer hints at, within bounds,
// five minutes without a hint, and no sooner after a failure, save where there is nothing to serve yet.

import { backoffMs } from '../base/backoff.ts';

export type RefreshBounds = {
  readonly minMs: number;
  readonly maxMs: number;
};

export const DEFAULT_BOUNDS: RefreshBounds = { minMs: 30_000, maxMs: 24 * 3_600_000 };

const WITHOUT_HINT_MS = 300_000;
const FIRST_RETRY_MS = 10_000;
/** A part of the interval by which peers of one endpoint spread; earlier, never later. */
const JITTER = 0.1;

export type NextFetch = {
  readonly refreshHintSeconds: number | undefined;
  /** In a row. */
  readonly failures: number;
  /** Whether a bundle was ever fetched. */
  readonly isFetched: boolean;
  readonly bounds: RefreshBounds;
  /** In [0, 1). */
  readonly random: () => number;
};

/** Milliseconds to wait. */
export function untilNextFetch(next: NextFetch): number {
  const { refreshHintSeconds, failures, isFetched, bounds, random } = next;
  const hinted = refreshHintSeconds === undefined ? WITHOUT_HINT_MS : refreshHintSeconds * 1000;
  const interval = Math.min(Math.max(hinted, bounds.minMs), bounds.maxMs);
  if (failures > 0 && !isFetched) {
    const initialMs = Math.min(FIRST_RETRY_MS, bounds.minMs);
    return backoffMs(failures - 1, { initialMs, maxMs: interval, random });
  }
  return Math.round(interval * (1 - JITTER * random()));
}
