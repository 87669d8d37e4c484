// One act at a time on each volume. A call of the kubelet that finds another one is refused, as CSI
// asks; it waits for a look of our own, which is short.

import { CodedError } from '../../base/errors.ts';

export class VolumeLocks {
  readonly #busy = new Set<string>();
  readonly #looks = new Map<string, Promise<void>>();
  #closed = false;

  get isClosed(): boolean {
    return this.#closed;
  }

  isBusy(volumeId: string): boolean {
    return this.#busy.has(volumeId);
  }

  /** Throws `aborted` when another call for the volume is under way. */
  async exclusively(volumeId: string, act: () => Promise<void>): Promise<void> {
    if (this.#closed) throw shuttingDown();
    if (this.#busy.has(volumeId)) {
      throw new CodedError('aborted', 'volume_id: another call for this volume is under way');
    }
    this.#busy.add(volumeId);
    try {
      await this.#looks.get(volumeId);
      await act();
    } finally {
      this.#busy.delete(volumeId);
    }
  }

  /** Skipped while a call is under way; calls wait until the look is over. */
  async look(volumeId: string, look: () => Promise<void>): Promise<void> {
    if (this.#closed || this.#busy.has(volumeId) || this.#looks.has(volumeId)) return;
    const looked = look().finally(() => this.#looks.delete(volumeId));
    this.#looks.set(volumeId, looked);
    await looked;
  }

  /** Lets nothing new begin and waits for the looks. */
  async close(): Promise<void> {
    this.#closed = true;
    await Promise.all(this.#looks.values());
  }
}

export function shuttingDown(): CodedError {
  return new CodedError('unavailable', 'the node plugin is shutting down');
}
