// What every benchmark prints, one JSON object a line, and how the numbers in it are taken.

import { type KeyObject, sign } from 'node:crypto';

/** `limit` is what the machine could do at best, measured in the same run; `ratio` is value to limit. */
export type BenchResult = {
  readonly name: string;
  readonly value: number;
  readonly unit: string;
  readonly limit: number;
  readonly ratio: number;
};

export type Rounds = { readonly warmUp: number; readonly kept: number };

/** Octets of a typical TBSCertificate. */
const TBS_BYTES = 520;

export function benchResult({ name, value, unit, limit }: Omit<BenchResult, 'ratio'>): BenchResult {
  const round = (number: number) => Number(number.toPrecision(4));
  const ratio = limit === 0 ? 0 : value / limit;
  return { name, value: round(value), unit, limit: round(limit), ratio: round(ratio) };
}

/** The value below which `share` of the sorted samples lie. */
export function percentile(samples: readonly number[], share: number): number {
  const sorted = samples.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
}

/**
 * The median of what each gives, asked in turns: a neighbour on the machine slows both alike, and
 * spoils some rounds, not most.
 */
export function inTurns(
  { warmUp, kept }: Rounds,
  ours: () => number,
  least: () => number,
): { readonly value: number; readonly limit: number } {
  const values: number[] = [];
  const limits: number[] = [];
  for (let round = -warmUp; round < kept; round += 1) {
    const value = ours();
    const limit = least();
    if (round < 0) continue;
    values.push(value);
    limits.push(limit);
  }
  return { value: percentile(values, 0.5), limit: percentile(limits, 0.5) };
}

/** How many a second `work` does, that does `each` at a time. */
export function perSecond(work: () => void, { times, each }: { times: number; each: number }) {
  const start = performance.now();
  for (let count = 0; count < times; count += 1) work();
  return (times * each * 1000) / (performance.now() - start);
}

/** The limit of whatever issues certificates: nothing but their signatures. */
export function signTimes(privateKey: KeyObject, times: number): void {
  const tbs = Buffer.alloc(TBS_BYTES, 1);
  for (let count = 0; count < times; count += 1) sign('sha256', tbs, privateKey);
}
