// Level-triggered work: keys only, one pending entry a key, never two workers on one key.
// A key added while it is being worked on runs once more afterwards, so no change is lost.

import { type BackoffOptions, backoffMs } from './backoff.ts';
import type { Clock } from './clock.ts';

/** What a worker asks for when it returns: nothing, or another look after a while. */
export type WorkResult = { readonly requeueMs: number } | undefined;

export type WorkQueueOptions = {
  readonly clock: Clock;
  readonly concurrency?: number;
  readonly backoff?: BackoffOptions;
  /** Told of every failure; the queue itself retries with back-off and logs nothing. */
  readonly onError: (key: string, thrown: unknown, attempt: number) => void;
};

export class WorkQueue {
  readonly #clock: Clock;
  readonly #concurrency: number;
  readonly #backoff: BackoffOptions;
  readonly #onError: WorkQueueOptions['onError'];
  readonly #ready = new Set<string>();
  readonly #active = new Set<string>();
  readonly #attempts = new Map<string, number>();
  readonly #delayed = new Map<string, { at: number; cancel: AbortController }>();
  #wake = Promise.withResolvers<void>();

  constructor(options: WorkQueueOptions) {
    this.#clock = options.clock;
    this.#concurrency = options.concurrency ?? 1;
    this.#backoff = options.backoff ?? { initialMs: 200, maxMs: 30_000 };
    this.#onError = options.onError;
  }

  /** Asks for a look at `key` now; a delayed look of the same key is dropped. */
  add(key: string): void {
    this.#cancelDelayed(key);
    this.#ready.add(key);
    this.#wakeUp();
  }

  /** Asks for a look unless one is already due: a key that waits out its back-off keeps waiting. */
  ensure(key: string): void {
    if (!this.#active.has(key) && !this.#delayed.has(key)) this.add(key);
  }

  /** Asks for a look after `ms`; of several, the earlier one stands. */
  addAfter(key: string, ms: number): void {
    if (this.#ready.has(key)) return;
    const at = this.#clock.now() + ms;
    const pending = this.#delayed.get(key);
    if (pending !== undefined && pending.at <= at) return;
    this.#cancelDelayed(key);
    const cancel = new AbortController();
    this.#delayed.set(key, { at, cancel });
    void this.#clock.sleep(ms, cancel.signal).then(() => {
      if (!cancel.signal.aborted) this.add(key);
    });
  }

  /** Keys that wait or are worked on: 0 means that all is settled. */
  get depth(): number {
    return this.#ready.size + this.#active.size;
  }

  /** Works until aborted; resolves when the last worker has returned. */
  async run(work: (key: string) => Promise<WorkResult>, signal: AbortSignal): Promise<void> {
    const onAbort = () => this.#wakeUp();
    signal.addEventListener('abort', onAbort, { once: true });
    const running = new Set<Promise<void>>();
    while (!signal.aborted) {
      const key = this.#active.size < this.#concurrency ? this.#take() : undefined;
      if (key === undefined) {
        await this.#wake.promise;
        this.#wake = Promise.withResolvers<void>();
        continue;
      }
      const task = this.#workOn(key, work).finally(() => running.delete(task));
      running.add(task);
    }
    signal.removeEventListener('abort', onAbort);
    await Promise.all(running);
    // Last: a worker that fails while it is stopped asks for another look, and its timer would keep
    // the process alive.
    for (const { cancel } of this.#delayed.values()) cancel.abort();
    this.#delayed.clear();
  }

  async #workOn(key: string, work: (key: string) => Promise<WorkResult>): Promise<void> {
    try {
      const result = await work(key);
      this.#attempts.delete(key);
      if (result !== undefined) this.addAfter(key, result.requeueMs);
    } catch (thrown) {
      const attempt = this.#attempts.get(key) ?? 0;
      this.#attempts.set(key, attempt + 1);
      this.#onError(key, thrown, attempt);
      this.addAfter(key, backoffMs(attempt, this.#backoff));
    } finally {
      this.#active.delete(key);
      this.#wakeUp();
    }
  }

  #take(): string | undefined {
    for (const key of this.#ready) {
      if (this.#active.has(key)) continue;
      this.#ready.delete(key);
      this.#active.add(key);
      return key;
    }
    return undefined;
  }

  #cancelDelayed(key: string): void {
    this.#delayed.get(key)?.cancel.abort();
    this.#delayed.delete(key);
  }

  #wakeUp(): void {
    this.#wake.resolve();
  }
}
