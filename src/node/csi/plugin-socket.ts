// A gRPC service on a well-known Unix socket that the kubelet dials, and its disappearance: bound
// hidden and renamed into place, so a successor takes over without a gap; removed on leaving only
// while it is still ours.

import { lstatSync, mkdirSync, unlinkSync } from 'node:fs';
import { basename, dirname } from 'node:path';
import type { ServiceBinding } from '../../transport/rpc.ts';
import type { CallObserver } from '../../transport/workload/grpc/grpc-call.ts';
import { WorkloadServer } from '../../transport/workload/workload-server.ts';
import { DirectoryHandle, isErrno } from '../volume/directory-handle.ts';
import { HiddenListener } from '../volume/hidden-listener.ts';

export type PluginSocketOptions = {
  readonly path: string;
  readonly services: readonly ServiceBinding[];
  readonly observe?: CallObserver;
};

/** Only the kubelet, which is root, may connect. */
const SOCKET_MODE = 0o600;
/** A kubelet dials anew for every call, and after its restart calls for all its pods at once. */
const MAX_CONNECTIONS = 1024;
const MAX_CALL_BYTES = 64 * 1024;
const MAX_BUFFERED_BYTES = 8 * 1024 * 1024;

export class PluginSocket {
  readonly #path: string;
  readonly #directory: DirectoryHandle;
  readonly #server: WorkloadServer;
  #listener: HiddenListener;
  #binding: Promise<void> = Promise.resolve();

  private constructor(
    path: string,
    parts: { directory: DirectoryHandle; server: WorkloadServer; listener: HiddenListener },
  ) {
    this.#path = path;
    this.#directory = parts.directory;
    this.#server = parts.server;
    this.#listener = parts.listener;
  }

  static async listen(options: PluginSocketOptions): Promise<PluginSocket> {
    mkdirSync(dirname(options.path), { recursive: true, mode: 0o750 });
    const directory = DirectoryHandle.openRoot(dirname(options.path));
    const server = new WorkloadServer({
      services: options.services,
      maxConnections: MAX_CONNECTIONS,
      maxMessageBytes: MAX_CALL_BYTES,
      limits: { maxBufferedBytes: MAX_BUFFERED_BYTES },
      ...(options.observe === undefined ? {} : { observe: options.observe }),
    });
    const listener = await bind(options.path, { directory, server, replace: true });
    return new PluginSocket(options.path, { directory, server, listener });
  }

  /** Who holds the name now: this instance, nobody, or another one. */
  holder(): 'own' | 'none' | 'foreign' {
    try {
      return lstatSync(this.#path).ino === this.#listener.inode ? 'own' : 'foreign';
    } catch (thrown) {
      if (isErrno(thrown, 'ENOENT')) return 'none';
      throw thrown;
    }
  }

  /** Gives the name up if it is still ours: for whoever watches it to see it appear anew. */
  hide(): void {
    if (this.holder() === 'own') unlinkSync(this.#path);
  }

  /**
   * Takes the name again after it was removed; not from another instance that was faster. Not to be
   * called once closed.
   */
  async bindAgain(): Promise<void> {
    await this.#bindInTurn(false);
  }

  /** Takes the name from the instance that has it. */
  async takeBack(): Promise<void> {
    await this.#bindInTurn(true);
  }

  async #bindInTurn(replace: boolean): Promise<void> {
    const bound = this.#bindAgain(replace);
    this.#binding = bound.catch(() => {});
    await bound;
  }

  /** Removes the name if it is still ours, then ends calls and connections. */
  async close(): Promise<void> {
    // Else a name that is being put back would outlive its listener.
    await this.#binding;
    this.hide();
    this.#listener.stopAccepting();
    await this.#server.close();
    await this.#listener.close();
    this.#directory.close();
  }

  async #bindAgain(replace: boolean): Promise<void> {
    const before = this.#listener;
    const parts = { directory: this.#directory, server: this.#server, replace };
    try {
      this.#listener = await bind(this.#path, parts);
    } catch (thrown) {
      if (isErrno(thrown, 'EEXIST')) return;
      throw thrown;
    }
    before.stopAccepting();
  }
}

async function bind(
  path: string,
  parts: { directory: DirectoryHandle; server: WorkloadServer; replace: boolean },
) {
  const { directory, server, replace } = parts;
  return await HiddenListener.bind({
    pathOf: (name) => directory.pathOf(name),
    publicName: basename(path),
    mode: SOCKET_MODE,
    replace,
    accept: (connection) => server.accept(connection),
  });
}
