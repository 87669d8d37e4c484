// One published volume: its record, its directory held open, its listener, and the workload
// endpoint behind it. Who connects here is the pod: the mount is the attestation.

import type { Socket } from 'node:net';
import { isDeepStrictEqual } from 'node:util';
import { CodedError } from '../../base/errors.ts';
import { isErrno } from './directory-handle.ts';
import { HiddenListener } from './hidden-listener.ts';
import type { TargetPath } from './target-path.ts';
import { PUBLIC_SOCKET, type VolumeDirectory } from './volume-directory.ts';
import type { VolumeRecord } from './volume-records.ts';

/** Serves the Workload API to whoever connects to one volume. */
export type WorkloadEndpoint = {
  accept(connection: Socket): void;
  /** Ends streams with Unavailable, then closes connections. */
  close(): Promise<void>;
};

export type ServeWorkload = (record: VolumeRecord) => WorkloadEndpoint;

/** Clients connect as any user, so the socket is open to all; its directory's parents are not. */
const SOCKET_MODE = 0o777;
const MAX_CONNECTIONS = 16;

export class PublishedVolume {
  readonly record: VolumeRecord;
  /** Whether the kubelet has been told OK: then a repeated publish never waits again. */
  answered = false;
  readonly #directory: VolumeDirectory;
  readonly #endpoint: WorkloadEndpoint;
  #listener: HiddenListener;
  /** Of another instance, that had the public name at the last look. */
  #foreignInode: number | undefined;
  /** Listeners whose name was lost; connections made through them live on. */
  readonly #before: HiddenListener[] = [];

  private constructor(
    record: VolumeRecord,
    parts: { directory: VolumeDirectory; endpoint: WorkloadEndpoint; listener: HiddenListener },
  ) {
    this.record = record;
    this.#directory = parts.directory;
    this.#endpoint = parts.endpoint;
    this.#listener = parts.listener;
  }

  static async serve(
    record: VolumeRecord,
    directory: VolumeDirectory,
    serve: ServeWorkload,
  ): Promise<PublishedVolume> {
    const endpoint = serve(record);
    let listener: HiddenListener | undefined;
    try {
      listener = await listen(directory, endpoint, true);
      directory.linkAliases();
      return new PublishedVolume(record, { directory, endpoint, listener });
    } catch (thrown) {
      await listener?.close();
      await endpoint.close();
      throw thrown;
    }
  }

  /** Throws `already-exists` when another volume would have to be served for this record. */
  requireSame(record: VolumeRecord): void {
    if (isDeepStrictEqual(this.record, record)) return;
    throw new CodedError(
      'already-exists',
      'volume_context: the volume is published with other attributes',
    );
  }

  /** Whether the target path still leads to the directory that is served. */
  isAt(target: TargetPath, podsDirectory: string): boolean {
    return this.#directory.isAt(target, podsDirectory);
  }

  /** Who holds the public name now: this instance, nobody, or another one. */
  get holder(): 'own' | 'none' | 'foreign' {
    const inode = this.#directory.publicInode();
    if (inode === undefined) return 'none';
    return inode === this.#listener.inode ? 'own' : 'foreign';
  }

  /**
   * Binds again when the public name is missing. A name that another instance put there is left
   * alone: it is the newer one.
   */
  async ensurePublic(): Promise<void> {
    if (this.holder === 'none') await this.#bindAgain(false);
  }

  /**
   * Puts the public name right, for the instance that the kubelet calls. A newer one takes the CSI
   * socket within moments of taking this name; who has it for longer was no newer one.
   */
  async tend(): Promise<void> {
    const inode = this.#directory.publicInode();
    if (inode === undefined) await this.#bindAgain(false);
    else if (inode === this.#foreignInode) await this.#bindAgain(true);
    else if (inode !== this.#listener.inode) this.#foreignInode = inode;
  }

  async #bindAgain(replace: boolean): Promise<void> {
    const before = this.#listener;
    try {
      this.#listener = await listen(this.#directory, this.#endpoint, replace);
    } catch (thrown) {
      if (isErrno(thrown, 'EEXIST')) return;
      throw thrown;
    }
    this.#directory.linkAliases();
    this.#before.push(before);
    before.stopAccepting();
  }

  /** Stops serving. Directory and names stay; the descriptor is closed after the listener. */
  async close(): Promise<void> {
    this.#listener.stopAccepting();
    await this.#endpoint.close();
    await Promise.all([this.#listener, ...this.#before].map(async (one) => await one.close()));
    this.#directory.close();
  }
}

async function listen(directory: VolumeDirectory, endpoint: WorkloadEndpoint, replace: boolean) {
  return await HiddenListener.bind({
    pathOf: (name) => directory.pathOf(name),
    publicName: PUBLIC_SOCKET,
    mode: SOCKET_MODE,
    replace,
    maxConnections: MAX_CONNECTIONS,
    accept: (connection) => endpoint.accept(connection),
  });
}
