// The volumes of this node and what each call of the kubelet does to them. A publish is a
// transaction: record, directory, socket, then OK; a failure before OK takes back what that call
// made and nothing else. Calls for one target never overlap.

import { isDeepStrictEqual } from 'node:util';
import { CodedError, invalid } from '../../base/errors.ts';
import type { Logger } from '../../base/log.ts';
import { REQUIRE_IDENTITY } from '../csi/publish-request.ts';
import { awaitIdentity, type IdentityWait } from './identity-wait.ts';
import type { PodAnswers } from './pod-answers.ts';
import { asPublishError } from './publish-error.ts';
import type { PublishedVolume, ServeWorkload } from './published-volume.ts';
import { podsDirectory, serveRecord, undoDirectory } from './serve-record.ts';
import { ephemeralVolumeId, parseTargetPath } from './target-path.ts';
import { VolumeDirectory } from './volume-directory.ts';
import type { VolumeRecord, VolumeRecords } from './volume-records.ts';

export type VolumesOptions = IdentityWait & {
  readonly kubeletRoot: string;
  readonly records: VolumeRecords;
  readonly answers: PodAnswers;
  readonly serve: ServeWorkload;
  readonly log: Logger;
};

export class Volumes {
  readonly #options: VolumesOptions;
  readonly #volumes = new Map<string, PublishedVolume>();
  readonly #busy = new Set<string>();
  /** Recorded volumes that could not be served again, for a reason that may pass. */
  readonly #unserved = new Map<string, VolumeRecord>();
  /** Volumes that a sweep is looking at, until it is done with them. */
  readonly #swept = new Map<string, Promise<void>>();
  #closed = false;

  constructor(options: VolumesOptions) {
    this.#options = options;
  }

  get records(): readonly VolumeRecord[] {
    return [...this.#volumes.values()].map((volume) => volume.record);
  }

  /**
   * Serves every recorded volume again. A record whose directory is gone is dropped: the kubelet
   * publishes anew or has forgotten the pod.
   */
  async restore(): Promise<void> {
    const { records, log } = this.#options;
    const loaded = records.load((file, err) =>
      log.warn({ path: file, err }, 'Ignored a volume record that does not parse'),
    );
    await Promise.all(loaded.map(async (record) => await this.#restoreOne(record)));
  }

  async #restoreOne(record: VolumeRecord): Promise<void> {
    const { records, answers, log } = this.#options;
    const fields = { volumeId: record.volumeId, podUid: record.podUid };
    try {
      const volume = await serveRecord(record, false, this.#options);
      this.#unserved.delete(record.volumeId);
      if (volume === undefined) {
        records.remove(record.volumeId);
        log.info(fields, 'Dropped the record of a volume whose directory is gone');
        return;
      }
      // A volume that demands an identity may have been held when the process ended.
      volume.answered = record.attributes[REQUIRE_IDENTITY] !== 'true';
      this.#volumes.set(record.volumeId, volume);
      answers.published(record);
    } catch (err) {
      const isNews = !this.#unserved.has(record.volumeId);
      if (isNews) log.error({ ...fields, err }, 'Failed to serve a recorded volume again');
      this.#unserved.set(record.volumeId, record);
    }
  }

  /** Whether a good request for the volume has come before, in this run or an earlier one. */
  isRecorded(volumeId: string): boolean {
    return this.#options.records.has(volumeId);
  }

  async publish(record: VolumeRecord, signal: AbortSignal): Promise<void> {
    await this.#exclusively(record.volumeId, async () => {
      const volume = await this.#ensure(record);
      if (volume.answered) return;
      try {
        const { answers } = this.#options;
        const answer = answers.answerOf(record.podUid);
        await awaitIdentity(record, answer, { ...this.#options, signal });
        answers.requireMatch(record);
        volume.answered = true;
      } catch (thrown) {
        // What the kubelet retries finds the volume as it is; what it does not retry leaves nothing.
        if (CodedError.from(thrown).code === 'invalid-argument') await this.#discard(volume);
        throw thrown;
      }
    });
  }

  async unpublish(volumeId: string, targetPath: string): Promise<void> {
    const { kubeletRoot, records } = this.#options;
    const target = parseTargetPath(targetPath, kubeletRoot);
    if (volumeId !== ephemeralVolumeId(target.podUid, target.volumeName)) {
      throw invalid('volume_id: is not the id of the pod and volume of target_path');
    }
    await this.#exclusively(volumeId, async () => {
      await this.#drop(volumeId);
      VolumeDirectory.remove(target, podsDirectory(kubeletRoot));
      records.remove(volumeId);
      this.#unserved.delete(volumeId);
    });
  }

  async #discard(volume: PublishedVolume): Promise<void> {
    const { volumeId, targetPath } = volume.record;
    await this.#drop(volumeId);
    undoDirectory(parseTargetPath(targetPath, this.#options.kubeletRoot), this.#options);
    this.#options.records.remove(volumeId);
  }

  /** Stops serving a volume; nothing on the disk is touched. */
  async #drop(volumeId: string): Promise<void> {
    const volume = this.#volumes.get(volumeId);
    if (volume === undefined) return;
    this.#volumes.delete(volumeId);
    await volume.close();
    const { podUid } = volume.record;
    if (!this.#hasVolumeOf(podUid)) this.#options.answers.unpublished(podUid);
  }

  /** Puts back public names that somebody removed, and tries again what could not be served. */
  async sweep(): Promise<void> {
    for (const volume of this.#volumes.values()) {
      await this.#look(volume.record.volumeId, async () => await this.#ensurePublic(volume));
    }
    for (const record of this.#unserved.values()) {
      await this.#look(record.volumeId, async () => await this.#restoreOne(record));
    }
  }

  /** Calls for the volume wait until the look is over. */
  async #look(volumeId: string, look: () => Promise<void>): Promise<void> {
    if (this.#closed || this.#busy.has(volumeId)) return;
    const looked = look().finally(() => this.#swept.delete(volumeId));
    this.#swept.set(volumeId, looked);
    await looked;
  }

  async #ensurePublic(volume: PublishedVolume): Promise<void> {
    const { volumeId, podUid, targetPath } = volume.record;
    const { kubeletRoot } = this.#options;
    if (this.#volumes.get(volumeId) !== volume || volume.isPublic) return;
    try {
      // In a directory that the pod does not see there is nothing to put back.
      const target = parseTargetPath(targetPath, kubeletRoot);
      if (volume.isAt(target, podsDirectory(kubeletRoot))) await volume.ensurePublic();
    } catch (err) {
      this.#options.log.warn({ volumeId, podUid, err }, 'Failed to put a socket back');
    }
  }

  /** Stops serving. Records, directories and socket names stay for the next instance. */
  async close(): Promise<void> {
    this.#closed = true;
    await Promise.all(this.#swept.values());
    await Promise.all([...this.#volumes.values()].map(async (volume) => await volume.close()));
    this.#volumes.clear();
  }

  async #ensure(record: VolumeRecord): Promise<PublishedVolume> {
    try {
      return (await this.#existing(record)) ?? (await this.#create(record));
    } catch (thrown) {
      throw asPublishError(thrown);
    }
  }

  async #existing(record: VolumeRecord): Promise<PublishedVolume | undefined> {
    const volume = this.#volumes.get(record.volumeId);
    if (volume === undefined) return undefined;
    if (!isDeepStrictEqual(volume.record, record)) {
      throw new CodedError(
        'already-exists',
        'volume_context: the volume is published with other attributes',
      );
    }
    const { kubeletRoot } = this.#options;
    const target = parseTargetPath(record.targetPath, kubeletRoot);
    if (volume.isAt(target, podsDirectory(kubeletRoot))) {
      await volume.ensurePublic();
      return volume;
    }
    // Somebody removed or replaced the directory: what is held open is not what the pod will see.
    await this.#drop(record.volumeId);
    return undefined;
  }

  async #create(record: VolumeRecord): Promise<PublishedVolume> {
    const { records, answers } = this.#options;
    const { volumeId } = record;
    answers.requireMatch(record);
    const isNew = !records.has(volumeId);
    try {
      await records.save(record);
      const volume = await serveRecord(record, true, this.#options);
      if (volume === undefined) {
        throw new CodedError('unavailable', 'target_path: its parent directory does not exist');
      }
      if (this.#closed) {
        // The next instance finds the record and the directory.
        await volume.close();
        throw shuttingDown();
      }
      this.#volumes.set(volumeId, volume);
      this.#unserved.delete(volumeId);
      answers.published(record);
      return volume;
    } catch (thrown) {
      if (isNew && !this.#closed) records.remove(volumeId);
      throw thrown;
    }
  }

  #hasVolumeOf(podUid: string): boolean {
    return [...this.#volumes.values()].some((volume) => volume.record.podUid === podUid);
  }

  async #exclusively(volumeId: string, act: () => Promise<void>): Promise<void> {
    if (this.#closed) throw shuttingDown();
    if (this.#busy.has(volumeId)) {
      throw new CodedError('aborted', 'volume_id: another call for this volume is under way');
    }
    this.#busy.add(volumeId);
    try {
      await this.#swept.get(volumeId);
      await act();
    } finally {
      this.#busy.delete(volumeId);
    }
  }
}

function shuttingDown(): CodedError {
  return new CodedError('unavailable', 'the node plugin is shutting down');
}
