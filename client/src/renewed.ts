// One thing that expires and can be had again: kept until it is time to renew it, fetched once
// however many ask. While the giver is away the old one serves until it expires; a refusal counts at
// once, for the one who was cut off.

import type { Clock } from '../../src/base/clock.ts';
import { CodedError } from '../../src/base/errors.ts';

/** Milliseconds since the epoch. */
export type Expiring = { readonly expiresAt: number };

export type RenewedOptions<T extends Expiring> = {
  readonly obtain: () => Promise<T>;
  /** How much of a life, in milliseconds, is left when it is renewed. */
  readonly marginMs: (lifeMs: number) => number;
  readonly clock: Clock;
};

export class Renewed<T extends Expiring> {
  readonly #options: RenewedOptions<T>;
  #held: { readonly value: T; readonly renewAt: number } | undefined;
  #obtaining: Promise<T> | undefined;

  constructor(options: RenewedOptions<T>) {
    this.#options = options;
  }

  async get(): Promise<T> {
    const held = this.#held;
    if (held !== undefined && this.#options.clock.now() < held.renewAt) return held.value;
    this.#obtaining ??= this.#renew().finally(() => {
      this.#obtaining = undefined;
    });
    return await this.#obtaining;
  }

  /** The next `get` obtains another one: somebody refused this one. */
  forget(): void {
    this.#held = undefined;
  }

  async #renew(): Promise<T> {
    const { obtain, marginMs, clock } = this.#options;
    try {
      const value = await obtain();
      const left = value.expiresAt - clock.now();
      this.#held = { value, renewAt: value.expiresAt - marginMs(left) };
      return value;
    } catch (thrown) {
      const held = this.#held?.value;
      const isAway = CodedError.from(thrown).code === 'unavailable';
      if (isAway && held !== undefined && clock.now() < held.expiresAt) return held;
      this.#held = undefined;
      throw thrown;
    }
  }
}
