// A Unix socket that appears all at once: bound under a hidden name, made connectable, then renamed
// over the public one. Taking over from another instance leaves no moment without a socket, and
// libuv, which unlinks the name it bound when it closes, can only ever hit the hidden one.

import { randomBytes } from 'node:crypto';
import { chmodSync, linkSync, lstatSync, renameSync, unlinkSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { hiddenSocketName } from './volume-directory.ts';

/** `sun_path` holds 108 bytes with its terminator; Node cuts longer ones without a word. */
export const MAX_SOCKET_PATH_BYTES = 107;

export type HiddenListenerOptions = {
  /** Gives the path of a name in the directory, short enough for a socket address. */
  readonly pathOf: (name: string) => string;
  readonly publicName: string;
  readonly mode: number;
  /** Takes the public name over from whoever has it; otherwise throws `EEXIST` when it is taken. */
  readonly replace: boolean;
  readonly maxConnections?: number;
  readonly accept: (connection: Socket) => void;
};

export class HiddenListener {
  readonly #server: Server;
  readonly #connections: ReadonlySet<Socket>;
  /** Of the socket's name: tells whether the public name is still this one. */
  readonly inode: number;

  private constructor(parts: {
    server: Server;
    connections: ReadonlySet<Socket>;
    inode: number;
  }) {
    this.#server = parts.server;
    this.#connections = parts.connections;
    this.inode = parts.inode;
  }

  static async bind(options: HiddenListenerOptions): Promise<HiddenListener> {
    const hidden = options.pathOf(hiddenSocketName(randomBytes(8).toString('hex')));
    const shown = options.pathOf(options.publicName);
    if (Buffer.byteLength(hidden) > MAX_SOCKET_PATH_BYTES) {
      throw new Error(`socket path over ${MAX_SOCKET_PATH_BYTES} bytes: ${hidden}`);
    }
    const connections = new Set<Socket>();
    // Half-open connections are the peer's way of ending its requests; the transport closes.
    const server = createServer({ allowHalfOpen: true }, (connection) => {
      connections.add(connection);
      connection.once('close', () => connections.delete(connection));
      connection.on('error', () => connection.destroy());
      options.accept(connection);
    });
    if (options.maxConnections !== undefined) server.maxConnections = options.maxConnections;
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(hidden, () => {
        server.off('error', reject);
        // A connection that could not be accepted is its peer's loss, not the process's end.
        server.on('error', () => {});
        resolve();
      });
    });
    try {
      // The umask shapes what bind makes, so the mode is set for itself.
      chmodSync(hidden, options.mode);
      const inode = lstatSync(hidden).ino;
      if (options.replace) {
        renameSync(hidden, shown);
      } else {
        linkSync(hidden, shown);
        unlinkSync(hidden);
      }
      return new HiddenListener({ server, connections, inode });
    } catch (thrown) {
      server.close();
      throw thrown;
    }
  }

  /**
   * Stops accepting and drops the connections that are left. The public name stays: a successor
   * takes it over, or clients retry.
   */
  async close(): Promise<void> {
    await new Promise<void>((resolve) => {
      this.#server.close(() => resolve());
      for (const connection of this.#connections) connection.destroy();
    });
  }

  /** Stops accepting without waiting for open connections. */
  stopAccepting(): void {
    this.#server.close();
  }
}
