// Whether a connection still says anything: silent stalls have no error and no end of their own.

import { type Clock, sleepUntil } from '../../base/clock.ts';

/** The life of one list or watch; ended from outside, or by silence. */
export class Connection {
  readonly #stop = new AbortController();
  readonly #clock: Clock;
  #heardAt: number;
  hasHeard = false;
  isStalled = false;
  /** Stopped in order to start over. */
  isRestarted = false;

  /** `heardAt`: of the connection that this one goes on from. */
  constructor(clock: Clock, heardAt = clock.now()) {
    this.#clock = clock;
    this.#heardAt = heardAt;
  }

  get signal(): AbortSignal {
    return this.#stop.signal;
  }

  readonly onProgress = (): void => {
    this.#heardAt = this.#clock.now();
    this.hasHeard = true;
  };

  readonly stop = (): void => this.#stop.abort();

  restart(): void {
    this.isRestarted = true;
    this.stop();
  }

  /** Ends it once nothing was heard for so long. */
  async guard(idleMs: number): Promise<void> {
    while (!this.signal.aborted && this.#clock.now() - this.#heardAt < idleMs) {
      await sleepUntil(this.#clock, this.#heardAt + idleMs, this.signal);
    }
    this.isStalled = !this.signal.aborted;
    this.stop();
  }
}
