// Keeps what the plugin has published equal to the pods that there are, as the kubelet does: one pod
// at a time each, again and again until it holds.

import type { Clock } from '../base/clock.ts';
import type { Logger } from '../base/log.ts';
import { WorkQueue } from '../base/work-queue.ts';
import type { PodRunner, RunnablePod } from './pod-runner.ts';

export type PodSyncOptions = {
  readonly runner: PodRunner;
  readonly clock: Clock;
  readonly log: Logger;
  /** A pod's volume is there, in this directory. */
  readonly onPublished: (pod: RunnablePod, directory: string) => void;
  readonly onUnpublished: (pod: RunnablePod) => void;
};

const PODS_AT_ONCE = 32;

export class PodSync {
  readonly #options: PodSyncOptions;
  readonly #queue: WorkQueue;
  #desired: ReadonlyMap<string, RunnablePod> = new Map();
  readonly #published = new Map<string, RunnablePod>();

  constructor(options: PodSyncOptions) {
    this.#options = options;
    this.#queue = new WorkQueue({
      clock: options.clock,
      concurrency: PODS_AT_ONCE,
      onError: (podUid, err, attempt) =>
        options.log.warn({ podUid, err, attempt }, 'Failed to sync a pod, will retry'),
    });
  }

  /** The pods that there are now; those that an earlier run left behind are unpublished. */
  set(pods: Iterable<RunnablePod>): void {
    this.#desired = new Map([...pods].map((pod) => [pod.uid, pod]));
    for (const uid of this.#desired.keys()) this.#queue.add(uid);
    for (const uid of this.#published.keys()) this.#queue.add(uid);
  }

  /** Pods published by an earlier run. */
  adopt(pods: Iterable<RunnablePod>): void {
    for (const pod of pods) this.#published.set(pod.uid, pod);
  }

  async run(signal: AbortSignal): Promise<void> {
    await this.#queue.run(async (uid) => await this.#sync(uid), signal);
  }

  async #sync(uid: string): Promise<undefined> {
    const { runner, onPublished, onUnpublished } = this.#options;
    const desired = this.#desired.get(uid);
    const published = this.#published.get(uid);
    if (published !== undefined && !isSameVolume(published, desired)) {
      await runner.unpublish(published);
      this.#published.delete(uid);
      onUnpublished(published);
    }
    if (desired === undefined || this.#published.has(uid)) return;
    const directory = await runner.publish(desired);
    this.#published.set(uid, desired);
    onPublished(desired, directory);
  }
}

function isSameVolume(a: RunnablePod, b: RunnablePod | undefined): boolean {
  return b !== undefined && JSON.stringify(a) === JSON.stringify(b);
}
