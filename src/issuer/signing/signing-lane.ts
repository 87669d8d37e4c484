// Lets few expensive signatures be under way at once, in the order asked. The thread pool they are
// made in also serves files and name resolution, which must not wait behind a flood of them.

import { CodedError } from '../../base/errors.ts';

export type SigningLaneOptions = {
  readonly atOnce: number;
  /** Beyond these, callers are told to come again. */
  readonly maxWaiting: number;
};

export class SigningLane {
  readonly #options: SigningLaneOptions;
  readonly #waiting: (() => void)[] = [];
  #running = 0;

  constructor(options: SigningLaneOptions) {
    this.#options = options;
  }

  /** Throws `unavailable` when too many wait already. */
  async run<T>(work: () => Promise<T>): Promise<T> {
    if (this.#running >= this.#options.atOnce) {
      if (this.#waiting.length >= this.#options.maxWaiting) {
        throw new CodedError('unavailable', 'too many signatures are waiting');
      }
      // Whoever finishes hands its place on, so the count does not change.
      await new Promise<void>((resolve) => {
        this.#waiting.push(resolve);
      });
    } else {
      this.#running += 1;
    }
    try {
      return await work();
    } finally {
      const next = this.#waiting.shift();
      if (next === undefined) this.#running -= 1;
      else next();
    }
  }
}
