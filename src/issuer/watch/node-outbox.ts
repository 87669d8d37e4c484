// What one node still has to be told: names of subjects, never their content. The content is looked
// up when a message is about to leave, so the newest wins and a slow node costs a set of names.

import { Latest } from '../../base/latest.ts';

export class NodeOutbox {
  readonly #pods = new Set<string>();
  readonly #tick = new Latest<true>();
  #bundles = false;

  addPod(podUid: string): void {
    this.#pods.add(podUid);
    this.#tick.set(true);
  }

  addBundles(): void {
    this.#bundles = true;
    this.#tick.set(true);
  }

  takeBundles(): boolean {
    const bundles = this.#bundles;
    this.#bundles = false;
    return bundles;
  }

  takePod(): string | undefined {
    for (const podUid of this.#pods) {
      this.#pods.delete(podUid);
      return podUid;
    }
    return undefined;
  }

  /** Yields whenever there is something to take, until aborted. */
  async *wakes(signal: AbortSignal): AsyncGenerator<void, void, undefined> {
    for await (const _ of this.#tick.watch(signal)) yield;
  }
}
