// The volumes of this node and what each call of the kubelet does to them. A publish is a
// transaction: record, directory, socket, then OK; a failure before OK takes back what that call
// made and nothing else. Calls for one target never overlap.

import type { Clock } from '../../base/clock.ts';
import { CodedError, invalid } from '../../base/errors.ts';
import type { Latest } from '../../base/latest.ts';
import type { Logger } from '../../base/log.ts';
import { REQUIRE_IDENTITY } from '../csi/publish-request.ts';
import type { PodAnswer } from '../svid/pod-answer.ts';
import { isErrno } from './directory-handle.ts';
import { PublishedVolume, type ServeWorkload } from './published-volume.ts';
import { ephemeralVolumeId, parseTargetPath, type TargetPath } from './target-path.ts';
import { VolumeDirectory } from './volume-directory.ts';
import type { VolumeRecord, VolumeRecords } from './volume-records.ts';

/** What volumes need to know of identities. */
export type PodAnswers = {
  answerOf(podUid: string): Latest<PodAnswer>;
  /** Throws `invalid-argument` when the issuer knows the pod under another name or account. */
  requireMatch(volume: VolumeRecord): void;
  published(volume: VolumeRecord): void;
  unpublished(podUid: string): void;
};

export type VolumesOptions = {
  readonly kubeletRoot: string;
  readonly records: VolumeRecords;
  readonly answers: PodAnswers;
  readonly serve: ServeWorkload;
  readonly clock: Clock;
  readonly log: Logger;
  /** How long a publish waits for an identity that is expected or not yet ruled out. */
  readonly publishWaitMs: number;
  /** The same for a volume that demands an identity. */
  readonly requireIdentityWaitMs: number;
};

export class Volumes {
  readonly #options: VolumesOptions;
  readonly #volumes = new Map<string, PublishedVolume>();
  readonly #busy = new Set<string>();

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
      const volume = await this.#bind(record, false);
      if (volume === undefined) {
        records.remove(record.volumeId);
        log.info(fields, 'Dropped the record of a volume whose directory is gone');
        return;
      }
      volume.answered = true;
      this.#volumes.set(record.volumeId, volume);
      answers.published(record);
    } catch (err) {
      log.error({ ...fields, err }, 'Failed to serve a recorded volume again');
    }
  }

  async publish(record: VolumeRecord, signal: AbortSignal): Promise<void> {
    await this.#exclusively(record.volumeId, async () => {
      const existing = this.#existing(record);
      const volume = existing ?? (await this.#create(record));
      await volume.ensurePublic();
      if (volume.answered) return;
      try {
        await this.#awaitIdentity(volume, signal);
        volume.answered = true;
      } catch (thrown) {
        // What the kubelet retries finds the volume as it is; what it does not retry leaves nothing.
        if (CodedError.from(thrown).code === 'invalid-argument') await this.#discard(volume);
        throw thrown;
      }
    });
  }

  async unpublish(volumeId: string, targetPath: string): Promise<void> {
    const { kubeletRoot, records, answers } = this.#options;
    const target = parseTargetPath(targetPath, kubeletRoot);
    if (volumeId !== ephemeralVolumeId(target.podUid, target.volumeName)) {
      throw invalid('volume_id: is not the id of the pod and volume of target_path');
    }
    await this.#exclusively(volumeId, async () => {
      await this.#volumes.get(volumeId)?.close();
      VolumeDirectory.remove(target, podsDirectory(kubeletRoot));
      records.remove(volumeId);
      if (this.#volumes.delete(volumeId) && !this.#hasVolumeOf(target.podUid)) {
        answers.unpublished(target.podUid);
      }
    });
  }

  async #discard(volume: PublishedVolume): Promise<void> {
    const { kubeletRoot, records, answers } = this.#options;
    const { volumeId, targetPath, podUid } = volume.record;
    await volume.close();
    this.#undo(parseTargetPath(targetPath, kubeletRoot));
    records.remove(volumeId);
    this.#volumes.delete(volumeId);
    if (!this.#hasVolumeOf(podUid)) answers.unpublished(podUid);
  }

  /** Puts back public names that somebody removed. */
  async sweep(): Promise<void> {
    for (const volume of this.#volumes.values()) {
      if (!this.#busy.has(volume.record.volumeId)) await volume.ensurePublic();
    }
  }

  /** Stops serving. Records, directories and socket names stay for the next instance. */
  async close(): Promise<void> {
    await Promise.all([...this.#volumes.values()].map(async (volume) => await volume.close()));
    this.#volumes.clear();
  }

  #existing(record: VolumeRecord): PublishedVolume | undefined {
    const volume = this.#volumes.get(record.volumeId);
    if (volume === undefined) return undefined;
    if (JSON.stringify(volume.record) === JSON.stringify(record)) return volume;
    throw new CodedError(
      'already-exists',
      'volume_context: the volume is published with other attributes',
    );
  }

  async #create(record: VolumeRecord): Promise<PublishedVolume> {
    const { records, answers } = this.#options;
    answers.requireMatch(record);
    try {
      records.save(record);
      const volume = await this.#bind(record, true);
      if (volume === undefined) {
        throw new CodedError('unavailable', 'target_path: its parent directory does not exist');
      }
      this.#volumes.set(record.volumeId, volume);
      answers.published(record);
      return volume;
    } catch (thrown) {
      records.remove(record.volumeId);
      throw asPublishError(thrown);
    }
  }

  async #bind(record: VolumeRecord, create: boolean): Promise<PublishedVolume | undefined> {
    const { kubeletRoot, serve } = this.#options;
    const target = parseTargetPath(record.targetPath, kubeletRoot);
    const directory = VolumeDirectory.open(target, {
      podsDirectory: podsDirectory(kubeletRoot),
      create,
    });
    if (directory === undefined) return undefined;
    try {
      return await PublishedVolume.serve(record, directory, serve);
    } catch (thrown) {
      directory.close();
      if (directory.created) this.#undo(target);
      throw thrown;
    }
  }

  #undo(target: TargetPath): void {
    try {
      VolumeDirectory.remove(target, podsDirectory(this.#options.kubeletRoot));
    } catch (err) {
      this.#options.log.warn({ targetPath: target.path, err }, 'Failed to undo a publish');
    }
  }

  // Known to get none: OK at once. Expected, or not ruled out yet: hold, then OK all the same. A
  // volume that demands an identity holds longer and then fails in a way the kubelet retries.
  async #awaitIdentity(volume: PublishedVolume, signal: AbortSignal): Promise<void> {
    const { answers, clock, publishWaitMs, requireIdentityWaitMs } = this.#options;
    const { record } = volume;
    const required = record.attributes[REQUIRE_IDENTITY] === 'true';
    const wait = new AbortController();
    const stop = () => wait.abort();
    signal.addEventListener('abort', stop, { once: true });
    void clock.sleep(required ? requireIdentityWaitMs : publishWaitMs, wait.signal).then(stop);
    const settled = await answers
      .answerOf(record.podUid)
      .first((now) => now.kind === 'served' || (now.kind === 'refused' && !required), wait.signal);
    signal.removeEventListener('abort', stop);
    wait.abort();
    if (signal.aborted) throw new CodedError('aborted', 'the kubelet cancelled the call');
    answers.requireMatch(record);
    if (required && settled === undefined) {
      const now = answers.answerOf(record.podUid).value;
      const reason = now?.kind === 'refused' ? now.reason : 'Pending';
      throw new CodedError('unavailable', `no identity issued: ${reason}`, { reason });
    }
  }

  #hasVolumeOf(podUid: string): boolean {
    return [...this.#volumes.values()].some((volume) => volume.record.podUid === podUid);
  }

  async #exclusively(volumeId: string, act: () => Promise<void>): Promise<void> {
    if (this.#busy.has(volumeId)) {
      throw new CodedError('aborted', 'volume_id: another call for this volume is under way');
    }
    this.#busy.add(volumeId);
    try {
      await act();
    } finally {
      this.#busy.delete(volumeId);
    }
  }
}

function podsDirectory(kubeletRoot: string): string {
  return `${kubeletRoot}/pods`;
}

// A full or read-only disk heals without the kubelet giving the volume up, so the code is one that
// it retries.
function asPublishError(thrown: unknown): unknown {
  for (const code of ['ENOSPC', 'EROFS', 'EDQUOT', 'EMFILE', 'ENFILE', 'EIO', 'EACCES']) {
    if (isErrno(thrown, code)) {
      return new CodedError('unavailable', `the node cannot store the volume: ${code}`, {
        cause: thrown,
        reason: 'NodeStorage',
      });
    }
  }
  return thrown;
}
