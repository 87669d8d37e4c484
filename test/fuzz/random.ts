// Random choices that come again: the same seed makes the same run.

export class Random {
  #state: number;

  constructor(seed: number) {
    this.#state = seed >>> 0 || 1;
  }

  /** A whole number from 0 to below `bound`. */
  below(bound: number): number {
    // xorshift32: plenty for choosing where to damage an input.
    this.#state ^= this.#state << 13;
    this.#state ^= this.#state >>> 17;
    this.#state ^= this.#state << 5;
    return bound <= 1 ? 0 : (this.#state >>> 0) % bound;
  }

  pick<T>(items: readonly [T, ...T[]]): T {
    return items[this.below(items.length)] ?? items[0];
  }
}
