// A server of ours behind a real Unix socket, in a directory of its own.

import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ServiceBinding } from '../../../src/transport/rpc.ts';

export type ServedBy = { accept(connection: Socket): void; close(): Promise<void> };
export type NewServer = (services: readonly ServiceBinding[]) => ServedBy;

export class SocketServer {
  readonly path: string;
  readonly #directory: string;
  readonly #server: ServedBy;
  readonly #listener: Server;

  private constructor(directory: string, server: ServedBy) {
    this.#directory = directory;
    this.path = join(directory, 's');
    this.#server = server;
    this.#listener = createServer({ allowHalfOpen: true }, (socket) => server.accept(socket));
  }

  static async start(server: ServedBy): Promise<SocketServer> {
    const socket = new SocketServer(await mkdtemp(join(tmpdir(), 'signet-grpc-')), server);
    await new Promise<void>((resolve) => socket.#listener.listen(socket.path, resolve));
    return socket;
  }

  get target(): string {
    return `unix:${this.path}`;
  }

  async stop(): Promise<void> {
    await this.#server.close();
    this.#listener.close();
    await rm(this.#directory, { recursive: true });
  }
}
