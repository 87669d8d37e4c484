// So many at a time, a bounded number in line, and nobody beyond: what a peer can start must end
// somewhere.

import { CodedError } from './errors.ts';

export type SlotsOptions = {
  readonly atOnce: number;
  readonly waiting: number;
  /** What is limited, for the refusal. */
  readonly what: string;
};

export class Slots {
  readonly #options: SlotsOptions;
  readonly #line: (() => void)[] = [];
  #taken = 0;

  constructor(options: SlotsOptions) {
    this.#options = options;
  }

  /** Runs `work` once it is its turn; throws `unavailable` when the line is full. */
  async run<T>(work: () => Promise<T>): Promise<T> {
    const { atOnce, waiting, what } = this.#options;
    if (this.#taken < atOnce) this.#taken += 1;
    else {
      if (this.#line.length >= waiting) throw new CodedError('unavailable', `${what}: too many`);
      // Whoever leaves hands over the slot.
      await new Promise<void>((resolve) => this.#line.push(resolve));
    }
    try {
      return await work();
    } finally {
      const next = this.#line.shift();
      if (next === undefined) this.#taken -= 1;
      else next();
    }
  }
}
