// Volumes that the plugin has no record of, and what pods that are gone left behind. The issuer's word
// decides: what it names is served again, what it says is gone is removed, the rest is left alone.

import type { Clock } from '../base/clock.ts';
import type { Logger } from '../base/log.ts';
import { knownAttributes } from './csi/publish-request.ts';
import type { Report } from './node-reports.ts';
import type { NodeView, PodView } from './node-view.ts';
import { podsDirectory } from './volume/serve-record.ts';
import { ephemeralVolumeId, type TargetPath } from './volume/target-path.ts';
import { VolumeDirectory } from './volume/volume-directory.ts';
import type { VolumeRecord } from './volume/volume-records.ts';
import { findVolumeTraces, type VolumeTrace } from './volume/volume-traces.ts';
import type { Volumes } from './volume/volumes.ts';

export type LostVolumesOptions = {
  readonly kubeletRoot: string;
  readonly driverName: string;
  readonly view: NodeView;
  readonly volumes: Volumes;
  readonly report: (key: string, report: Report) => void;
  readonly clock: Clock;
  readonly log: Logger;
};

const LOOK_EVERY_MS = 10 * 60_000;
/** The issuer hears of a new pod later than the kubelet may; never this much later. */
const MIN_AGE_MS = 10 * 60_000;
const MAX_ASKED = 256;

export class LostVolumes {
  readonly #options: LostVolumesOptions;
  /** What was found, by pods that the issuer was asked about. */
  readonly #asked = new Map<string, readonly TargetPath[]>();

  constructor(options: LostVolumesOptions) {
    this.#options = options;
  }

  /** Looks once the issuer has said all it knows, and then again and again, until aborted. */
  async run(isCurrent: () => boolean, signal: AbortSignal): Promise<void> {
    const { view, clock, log } = this.#options;
    while (!signal.aborted) {
      await view.synced.first(() => true, signal);
      if (signal.aborted) return;
      try {
        if (isCurrent()) await this.#look();
      } catch (err) {
        log.warn({ err }, 'Failed to look for lost volumes');
      }
      await clock.sleep(LOOK_EVERY_MS, signal);
    }
  }

  /** The issuer's answer, or word that came by itself. */
  gone(podUid: string): void {
    const targets = this.#asked.get(podUid) ?? [];
    this.#asked.delete(podUid);
    for (const target of targets) void this.#remove(target);
  }

  async #look(): Promise<void> {
    const { kubeletRoot, driverName, view, volumes, clock, report } = this.#options;
    this.#asked.clear();
    const oldEnough = clock.now() - MIN_AGE_MS;
    volumes.expect();
    for (const trace of findVolumeTraces(kubeletRoot, driverName)) {
      if (trace.isNoted && volumes.isRecorded(volumeIdOf(trace))) continue;
      const { target } = trace;
      const pod = view.pod(target.podUid);
      if (pod !== undefined && !pod.gone) await this.#adopt(trace, pod);
      else if (trace.changedAt > oldEnough) continue;
      else if (pod !== undefined) await this.#remove(target);
      else this.#ask(target);
    }
    if (this.#asked.size === 0) return;
    const podUids = [...this.#asked.keys()];
    report('traces', { case: 'foundTraces', value: { podUids } });
  }

  #ask(target: TargetPath): void {
    const before = this.#asked.get(target.podUid) ?? [];
    if (before.length > 0 || this.#asked.size < MAX_ASKED) {
      this.#asked.set(target.podUid, [...before, target]);
    }
  }

  async #adopt(trace: VolumeTrace, pod: PodView): Promise<void> {
    const { volumes, log } = this.#options;
    const { target } = trace;
    const declared = pod.volumes.find(({ name }) => name === target.volumeName);
    if (declared === undefined || volumes.isRecorded(volumeIdOf(trace))) return;
    const record: VolumeRecord = {
      volumeId: volumeIdOf(trace),
      targetPath: target.path,
      podUid: target.podUid,
      namespace: pod.namespace,
      podName: pod.name,
      serviceAccount: pod.serviceAccount,
      volumeName: target.volumeName,
      attributes: knownAttributes(declared.attributes),
    };
    const fields = { podUid: target.podUid, targetPath: target.path };
    try {
      await volumes.adopt(record);
      log.info(fields, 'Serves a volume again whose record was lost');
    } catch (err) {
      log.warn({ ...fields, err }, 'Failed to serve a volume whose record was lost');
    }
  }

  async #remove(target: TargetPath): Promise<void> {
    const { volumes, kubeletRoot, log } = this.#options;
    const fields = { podUid: target.podUid, targetPath: target.path };
    try {
      await volumes.unpublish(ephemeralVolumeId(target.podUid, target.volumeName), target.path);
      VolumeDirectory.removeUnusableNote(target, podsDirectory(kubeletRoot));
      log.info(fields, 'Removed what a pod that is gone had left');
    } catch (err) {
      log.warn({ ...fields, err }, 'Failed to remove what a pod that is gone had left');
    }
  }
}

function volumeIdOf({ target }: VolumeTrace): string {
  return ephemeralVolumeId(target.podUid, target.volumeName);
}
