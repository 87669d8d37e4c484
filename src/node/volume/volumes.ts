// The volumes of this node and what each call of the kubelet does to them. A publish is a
// transaction: record, directory, socket, then OK; a failure before OK takes back what that call
// made and nothing else. Calls for one target never overlap.

import { CodedError, invalid } from '../../base/errors.ts';
import type { Logger } from '../../base/log.ts';
import type { VolumeFiles } from '../files/volume-files.ts';
import { ExpectedVolumes } from './expected-volumes.ts';
import { awaitIdentity, type IdentityWait, isRequired } from './identity-wait.ts';
import type { PodAnswers } from './pod-answers.ts';
import { asPublishError } from './publish-error.ts';
import type { PublishedVolume, ServeWorkload } from './published-volume.ts';
import { podsDirectory, serveRecord, undoDirectory } from './serve-record.ts';
import { ephemeralVolumeId, parseTargetPath } from './target-path.ts';
import { VolumeDirectory } from './volume-directory.ts';
import { shuttingDown, VolumeLocks } from './volume-locks.ts';
import type { VolumeRecord, VolumeRecords } from './volume-records.ts';

export type VolumesOptions = IdentityWait & {
  readonly kubeletRoot: string;
  readonly records: VolumeRecords;
  readonly answers: PodAnswers;
  readonly serve: ServeWorkload;
  readonly files: Pick<VolumeFiles, 'start' | 'ready' | 'end'>;
  readonly log: Logger;
};

export class Volumes {
  readonly #options: VolumesOptions;
  readonly #volumes = new Map<string, PublishedVolume>();
  readonly #locks = new VolumeLocks();
  readonly #expected: ExpectedVolumes;

  constructor(options: VolumesOptions) {
    this.#options = options;
    this.#expected = new ExpectedVolumes(options.records, options.log);
  }

  /** Of every volume that is served or is to be. */
  get records(): readonly VolumeRecord[] {
    const served = [...this.#volumes.values()].map((volume) => volume.record);
    return [...served, ...this.#expected.all];
  }

  /**
   * Takes in the records that are there now, whoever wrote them, and serves nothing yet: identities
   * can be made ready while an older instance serves.
   */
  expect(): void {
    const isKnown = (volumeId: string) =>
      this.#volumes.has(volumeId) || this.#locks.isBusy(volumeId);
    for (const record of this.#expected.load(isKnown)) this.#options.answers.published(record);
  }

  /**
   * Serves every recorded volume again, taking it over from an instance that serves it. A record
   * whose directory is gone is dropped: the kubelet publishes anew or has forgotten the pod.
   */
  async restore(): Promise<void> {
    this.expect();
    await this.#serveExpected();
  }

  async #serveExpected(): Promise<void> {
    const look = async (record: VolumeRecord) =>
      await this.#locks.look(record.volumeId, async () => await this.#restoreOne(record));
    await Promise.all(this.#expected.all.map(look));
  }

  async #restoreOne(record: VolumeRecord): Promise<void> {
    const { records, log } = this.#options;
    const { volumeId, podUid } = record;
    if (this.#expected.get(volumeId) !== record) return;
    try {
      const volume = await serveRecord(record, false, this.#options);
      if (volume === undefined) {
        records.remove(volumeId);
        await this.#drop(volumeId);
        log.info({ volumeId, podUid }, 'Dropped the record of a volume whose directory is gone');
        return;
      }
      // A volume that demands an identity may have been held when the process ended.
      volume.answered = !isRequired(record);
      this.#nowServed(volume);
    } catch (err) {
      this.#expected.failed(record, err);
    }
  }

  #nowServed(volume: PublishedVolume): void {
    const { volumeId } = volume.record;
    this.#volumes.set(volumeId, volume);
    this.#expected.remove(volumeId);
    this.#options.files.start(volume.record);
  }

  /** Whether a good request for the volume has come before, in this run or an earlier one. */
  isRecorded(volumeId: string): boolean {
    return this.#options.records.has(volumeId);
  }

  async publish(record: VolumeRecord, signal: AbortSignal): Promise<void> {
    await this.#locks.exclusively(record.volumeId, async () => {
      const volume = await this.#ensure(record);
      if (volume.answered) return;
      try {
        const { answers, files } = this.#options;
        const answer = answers.answerOf(record.podUid);
        await awaitIdentity(record, answer, { ...this.#options, signal });
        answers.requireMatch(record);
        await files.ready(record, isRequired(record), signal);
        volume.answered = true;
      } catch (thrown) {
        // What the kubelet retries finds the volume as it is; what it does not retry leaves nothing.
        if (CodedError.from(thrown).code === 'invalid-argument') await this.#discard(volume);
        throw thrown;
      }
    });
  }

  /** Serves a volume whose record was lost, if its directory is there. */
  async adopt(record: VolumeRecord): Promise<void> {
    await this.#locks.exclusively(record.volumeId, async () => {
      if (this.isRecorded(record.volumeId)) return;
      const volume = await this.#create(record, false);
      volume.answered = true;
    });
  }

  async unpublish(volumeId: string, targetPath: string): Promise<void> {
    const { kubeletRoot, records } = this.#options;
    const target = parseTargetPath(targetPath, kubeletRoot);
    if (volumeId !== ephemeralVolumeId(target.podUid, target.volumeName)) {
      throw invalid('volume_id: is not the id of the pod and volume of target_path');
    }
    await this.#locks.exclusively(volumeId, async () => {
      await this.#drop(volumeId);
      this.#expected.setEnded(volumeId, true);
      VolumeDirectory.remove(target, podsDirectory(kubeletRoot));
      records.remove(volumeId);
      this.#expected.setEnded(volumeId, false);
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
    const record = volume?.record ?? this.#expected.get(volumeId);
    if (record === undefined) return;
    this.#volumes.delete(volumeId);
    this.#expected.remove(volumeId);
    this.#options.files.end(record);
    await volume?.close();
    const { podUid } = record;
    const hasAnother = this.records.some((other) => other.podUid === podUid);
    if (!hasAnother) this.#options.answers.unpublished(podUid);
  }

  /**
   * Puts back public names that somebody removed, serves what could not be served before or what
   * another instance has recorded, and lets go of what another instance has removed.
   */
  async sweep(): Promise<void> {
    this.expect();
    for (const volume of this.#volumes.values()) {
      await this.#locks.look(volume.record.volumeId, async () => await this.#tend(volume));
    }
    await this.#serveExpected();
  }

  async #tend(volume: PublishedVolume): Promise<void> {
    const { volumeId, podUid, targetPath } = volume.record;
    const { kubeletRoot, records, log } = this.#options;
    if (this.#volumes.get(volumeId) !== volume || volume.holder === 'own') return;
    try {
      // In a directory that the pod does not see there is nothing to put back.
      const target = parseTargetPath(targetPath, kubeletRoot);
      if (volume.isAt(target, podsDirectory(kubeletRoot))) await volume.tend();
      else if (!records.has(volumeId)) await this.#drop(volumeId);
    } catch (err) {
      log.warn({ volumeId, podUid, err }, 'Failed to put a socket back');
    }
  }

  /** Stops serving. Records, directories and socket names stay for the next instance. */
  async close(): Promise<void> {
    await this.#locks.close();
    await Promise.all([...this.#volumes.values()].map(async (volume) => await volume.close()));
    this.#volumes.clear();
  }

  async #ensure(record: VolumeRecord): Promise<PublishedVolume> {
    try {
      return (await this.#existing(record)) ?? (await this.#create(record, true));
    } catch (thrown) {
      throw asPublishError(thrown);
    }
  }

  async #existing(record: VolumeRecord): Promise<PublishedVolume | undefined> {
    const volume = this.#volumes.get(record.volumeId);
    if (volume === undefined) return undefined;
    volume.requireSame(record);
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

  async #create(record: VolumeRecord, create: boolean): Promise<PublishedVolume> {
    const { records, answers } = this.#options;
    const { volumeId } = record;
    answers.requireMatch(record);
    const isNew = !records.has(volumeId);
    this.#expected.setEnded(volumeId, false);
    try {
      await records.save(record);
      const volume = await serveRecord(record, create, this.#options);
      if (volume === undefined) {
        throw new CodedError('unavailable', 'target_path: its parent directory does not exist');
      }
      if (this.#locks.isClosed) {
        // The next instance finds the record and the directory.
        await volume.close();
        throw shuttingDown();
      }
      answers.published(record);
      this.#nowServed(volume);
      return volume;
    } catch (thrown) {
      if (isNew && !this.#locks.isClosed) records.remove(volumeId);
      throw thrown;
    }
  }
}
