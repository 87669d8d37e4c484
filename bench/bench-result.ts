// What every benchmark prints, one JSON object a line.

/** `limit` is what the machine could do at best, measured in the same run; `ratio` is value to limit. */
export type BenchResult = {
  readonly name: string;
  readonly value: number;
  readonly unit: string;
  readonly limit: number;
  readonly ratio: number;
};

export function benchResult(what: Omit<BenchResult, 'ratio'>): BenchResult {
  const round = (number: number) => Number(number.toPrecision(4));
  const ratio = what.limit === 0 ? 0 : what.value / what.limit;
  return { ...what, value: round(what.value), limit: round(what.limit), ratio: round(ratio) };
}

/** The value below which `share` of the sorted samples lie. */
export function percentile(samples: readonly number[], share: number): number {
  const sorted = samples.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
}
