// Files beside a volume's socket, for those volumes that ask for them: written when the pod's answer
// or a token changes, removed when its identities are withdrawn and when the volume ends. Each look
// starts from what is true now; what a failed look left is put right by the next one.

import { isDeepStrictEqual } from 'node:util';
import { type Clock, MAX_UNCHECKED_SLEEP_MS } from '../../base/clock.ts';
import { CodedError, invalid } from '../../base/errors.ts';
import { FILES_VOLUME, type FileRequest, readFileRequest } from '../../base/file-attributes.ts';
import { Latest } from '../../base/latest.ts';
import type { Logger } from '../../base/log.ts';
import { WorkQueue, type WorkResult } from '../../base/work-queue.ts';
import type { JwtSvids } from '../svid/jwt-svids.ts';
import type { PodAnswer } from '../svid/pod-answer.ts';
import type { VolumeRecord } from '../volume/volume-records.ts';
import { fileSet, type ServedAnswer, type SetFile } from './file-set.ts';
import { type FilesPlace, withFilesDirectory } from './files-directory.ts';
import { removeFiles, swapFiles } from './swap-files.ts';
import { TokenFiles } from './token-files.ts';

export type VolumeFilesOptions = {
  readonly podsDirectory: string;
  readonly answers: {
    answerOf(podUid: string): Latest<PodAnswer>;
    jwtSvidsOf(podUid: string): JwtSvids;
  };
  readonly clock: Clock;
  readonly log: Logger;
  /** How long a publish waits for the files of an identity that is there. */
  readonly waitMs: number;
  /** Writes keys on the node's disk as well, when the pod's volume is not in memory. */
  readonly allowKeysOnDisk: boolean;
};

/** `settled`: what is written is what the pod is to have. */
type Progress = { readonly settled: boolean; readonly failure?: unknown };

type Volume = {
  readonly record: VolumeRecord;
  readonly request: FileRequest;
  readonly place: FilesPlace;
  readonly tokens: TokenFiles;
  readonly stop: AbortController;
  readonly progress: Latest<Progress>;
  /** What is in force, as far as this process knows. */
  written: readonly SetFile[] | undefined;
};

const VOLUMES_AT_ONCE = 64;
/** The kubelet mounts a pod's volumes at the same time: the directory is there in a moment. */
const BACKOFF = { initialMs: 50, maxMs: 30_000 };

export class VolumeFiles {
  readonly #options: VolumeFilesOptions;
  readonly #volumes = new Map<string, Volume>();
  readonly #queue: WorkQueue;

  constructor(options: VolumeFilesOptions) {
    this.#options = options;
    this.#queue = new WorkQueue({
      clock: options.clock,
      concurrency: VOLUMES_AT_ONCE,
      backoff: BACKOFF,
      onError: (volumeId, err, attempt) => this.#failed(volumeId, err, attempt),
    });
  }

  /** Begins to keep files for a volume that is served; nothing for one that asks for none. */
  start(record: VolumeRecord): void {
    const { podsDirectory, allowKeysOnDisk, clock, log } = this.#options;
    const { volumeId, podUid, attributes } = record;
    let request: FileRequest | undefined;
    try {
      request = readFileRequest(attributes);
    } catch (err) {
      log.error({ volumeId, podUid, err }, 'Wrote no files for a volume with bad attributes');
    }
    if (request === undefined || this.#volumes.has(volumeId)) return;
    if (this.#ownerOf(record, request) !== undefined) return;
    const { volume, group } = request;
    const fields = { volumeId, podUid };
    const state: Volume = {
      record,
      request,
      place: { podsDirectory, podUid, volume, group, allowKeysOnDisk },
      tokens: new TokenFiles(request.tokens, { clock, log: log.child(fields) }),
      stop: new AbortController(),
      progress: new Latest<Progress>(),
      written: undefined,
    };
    state.progress.set({ settled: false });
    this.#volumes.set(volumeId, state);
    void this.#follow(state);
  }

  /**
   * Waits until the files are what the pod is to have. Throws `invalid-argument` when another volume
   * of the pod has them, `unavailable` when they cannot be written, or on `required` are not in time.
   */
  async ready(record: VolumeRecord, required: boolean, signal: AbortSignal): Promise<void> {
    const request = readFileRequest(record.attributes);
    if (request === undefined) return;
    const owner = this.#ownerOf(record, request);
    if (owner !== undefined) {
      throw invalid(`${FILES_VOLUME}: volume "${owner}" of the pod has its files there already`);
    }
    const state = this.#volumes.get(record.volumeId);
    if (state === undefined) return;
    const last = await this.#settled(state, signal);
    if (last?.settled !== false) return;
    if (signal.aborted) throw new CodedError('aborted', 'the kubelet cancelled the call');
    if (last.failure !== undefined) throw asUnavailable(last.failure);
    if (required) throw new CodedError('unavailable', 'not all files could be written yet');
  }

  /** The volume is unpublished: its files are removed. */
  end({ volumeId, podUid }: VolumeRecord): void {
    const state = this.#volumes.get(volumeId);
    if (state === undefined) return;
    this.#volumes.delete(volumeId);
    state.stop.abort();
    try {
      withFilesDirectory(state.place, removeFiles);
    } catch (err) {
      // The kubelet has taken the directory away, and the files with it.
      this.#options.log.debug({ volumeId, podUid, err }, 'Found no files to remove');
    }
  }

  /** Keeps files until aborted, and leaves them where they are for the next instance. */
  async run(signal: AbortSignal): Promise<void> {
    await this.#queue.run(async (volumeId) => await this.#look(volumeId), signal);
    for (const { stop } of this.#volumes.values()) stop.abort();
  }

  /** The pod's other volume that writes into the same place. */
  #ownerOf({ volumeId, podUid }: VolumeRecord, { volume }: FileRequest): string | undefined {
    for (const { record, request } of this.#volumes.values()) {
      const isSamePlace = record.podUid === podUid && request.volume === volume;
      if (isSamePlace && record.volumeId !== volumeId) return record.volumeName;
    }
    return undefined;
  }

  async #follow(state: Volume): Promise<void> {
    const { answers } = this.#options;
    const { volumeId, podUid } = state.record;
    const follow = async <T>(cell: Latest<T>, act: (value: T) => void): Promise<void> => {
      for await (const value of cell.watch(state.stop.signal)) act(value);
    };
    await Promise.all([
      follow(answers.answerOf(podUid), ({ kind }) => {
        // At once: a look under way may be waiting for a token.
        if (kind === 'refused') this.#tryRemove(state);
        this.#queue.add(volumeId);
      }),
      follow(answers.jwtSvidsOf(podUid).generation, () => this.#queue.add(volumeId)),
    ]);
  }

  async #settled(state: Volume, signal: AbortSignal): Promise<Progress | undefined> {
    const wait = new AbortController();
    const stop = () => wait.abort();
    signal.addEventListener('abort', stop, { once: true });
    if (signal.aborted) stop();
    void this.#options.clock.sleep(this.#options.waitMs, wait.signal).then(stop);
    const settled = await state.progress.first((now) => now.settled, wait.signal);
    signal.removeEventListener('abort', stop);
    stop();
    return settled ?? state.progress.value;
  }

  async #look(volumeId: string): Promise<WorkResult> {
    const state = this.#volumes.get(volumeId);
    if (state === undefined) return;
    const answer = this.#answerOf(state);
    if (answer?.kind === 'served') return await this.#write(state, answer);
    if (answer?.kind === 'refused') {
      this.#remove(state);
      return;
    }
    // Nothing is known, or nothing valid is in hand: no reason to take anything away.
    withFilesDirectory(state.place, () => {});
    state.progress.set({ settled: state.written !== undefined });
  }

  async #write(state: Volume, answer: ServedAnswer): Promise<WorkResult> {
    const { answers, clock, log } = this.#options;
    const { record, request, place, tokens } = state;
    const [identity] = answer.identities;
    if (identity === undefined) return;
    const { inHand, lookAt, isWaiting } = await tokens.collect(
      identity,
      answers.jwtSvidsOf(record.podUid),
    );
    // Meanwhile the volume may have ended, or another answer come, which is looked at next.
    if (state.stop.signal.aborted || this.#answerOf(state) !== answer) return;
    const files = fileSet(request, answer, inHand);
    if (!isDeepStrictEqual(files, state.written)) {
      const options = { group: request.group, now: clock.now() };
      withFilesDirectory(place, (directory) => swapFiles(directory, files, options));
      state.written = files;
      const { volumeId, podUid } = record;
      log.debug({ volumeId, podUid, count: files.length }, 'Wrote files');
    }
    state.progress.set({ settled: !isWaiting });
    if (lookAt === undefined) return;
    return { requeueMs: Math.min(Math.max(lookAt - clock.now(), 0), MAX_UNCHECKED_SLEEP_MS) };
  }

  #tryRemove(state: Volume): void {
    try {
      this.#remove(state);
    } catch {
      // The look that follows fails in the same way, says so and is repeated.
    }
  }

  #remove(state: Volume): void {
    state.tokens.clear();
    withFilesDirectory(state.place, removeFiles);
    state.written = undefined;
    state.progress.set({ settled: true });
  }

  #answerOf({ record }: Volume): PodAnswer | undefined {
    return this.#options.answers.answerOf(record.podUid).value;
  }

  #failed(volumeId: string, failure: unknown, attempt: number): void {
    const state = this.#volumes.get(volumeId);
    if (state === undefined) return;
    state.progress.set({ settled: false, failure });
    const { podUid } = state.record;
    const fields = { volumeId, podUid, err: failure, attempt };
    // The first times are those in which the kubelet makes the directory.
    const say = attempt === 5 ? 'warn' : 'debug';
    this.#options.log[say](fields, 'Failed to write files, will retry');
  }
}

function asUnavailable(failure: unknown): CodedError {
  const { message, reason } = CodedError.from(failure);
  return new CodedError('unavailable', message, {
    cause: failure,
    reason: reason ?? 'FilesFailed',
  });
}
