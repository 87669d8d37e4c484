// A cell that holds only the newest value. Readers that fall behind skip to the newest one, so a
// slow reader costs one reference, never a queue.

export class Latest<T> {
  #value: T | undefined;
  #version = 0;
  readonly #waiting = new Set<() => void>();

  /** The newest value, or undefined before the first `set`. */
  get value(): T | undefined {
    return this.#value;
  }

  set(value: T): void {
    this.#value = value;
    this.#version += 1;
    for (const wake of this.#waiting) wake();
  }

  /** Yields the present value at once, if there is one, then each newer one until aborted. */
  async *watch(signal: AbortSignal): AsyncGenerator<T, void, undefined> {
    let seen = 0;
    while (!signal.aborted) {
      if (this.#version !== seen) {
        seen = this.#version;
        // A set value may itself be undefined only if T allows it.
        yield this.#value as T;
      } else {
        await this.#changed(signal);
      }
    }
  }

  /** The first value for which `accept` holds; undefined when aborted before. */
  async first(accept: (value: T) => boolean, signal: AbortSignal): Promise<T | undefined> {
    for await (const value of this.watch(signal)) if (accept(value)) return value;
    return undefined;
  }

  // Not a promise that all wait for: who stops waiting would stay in its list until the next value,
  // and readers may come and go for hours without one.
  async #changed(signal: AbortSignal): Promise<void> {
    if (signal.aborted) return;
    await new Promise<void>((resolve) => {
      const wake = () => {
        this.#waiting.delete(wake);
        signal.removeEventListener('abort', wake);
        resolve();
      };
      this.#waiting.add(wake);
      signal.addEventListener('abort', wake, { once: true });
    });
  }
}
