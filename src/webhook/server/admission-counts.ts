// How many requests ended how, by path. Both come from fixed lists, so no peer can make this grow.

export type AdmissionOutcome = 'patched' | 'allowed' | 'refused' | 'malformed' | 'failed';

export type AdmissionCount = {
  readonly path: string;
  readonly outcome: AdmissionOutcome;
  readonly count: number;
};

export class AdmissionCounts {
  readonly #counts = new Map<string, Map<AdmissionOutcome, number>>();

  add(path: string, outcome: AdmissionOutcome): void {
    const counts = this.#counts.get(path) ?? new Map<AdmissionOutcome, number>();
    this.#counts.set(path, counts.set(outcome, (counts.get(outcome) ?? 0) + 1));
  }

  list(): readonly AdmissionCount[] {
    return [...this.#counts].flatMap(([path, counts]) =>
      [...counts].map(([outcome, count]) => ({ path, outcome, count })),
    );
  }
}
