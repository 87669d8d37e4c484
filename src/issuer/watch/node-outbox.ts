// What one node still has to be told: names of subjects, never their content. The content is looked
// up when a message is about to leave, so the newest wins and a slow node costs a set of names.

import { Latest } from '../../base/latest.ts';

export class NodeOutbox {
  /** Whether the pod object is gone, by UID. */
  readonly #pods = new Map<string, boolean>();
  readonly #tick = new Latest<true>();
  #bundles = false;

  /** `isGone`: the pod object is; it is not merely unknown to this view for now. */
  addPod(podUid: string, isGone: boolean): void {
    this.#pods.set(podUid, isGone);
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

  takePod(): { readonly podUid: string; readonly isGone: boolean } | undefined {
    for (const [podUid, isGone] of this.#pods) {
      this.#pods.delete(podUid);
      return { podUid, isGone };
    }
    return undefined;
  }

  /** Yields whenever there is something to take, until aborted. */
  async *wakes(signal: AbortSignal): AsyncGenerator<void, void, undefined> {
    for await (const _ of this.#tick.watch(signal)) yield;
  }
}
