// A gRPC server that is handed connections; it listens nowhere itself. Who listens (a Unix socket
// bound through a directory descriptor, a TLS listener) decides who may connect.

import type { Duplex } from 'node:stream';
import { type ConnectionInjector, Server, ServerCredentials } from '@grpc/grpc-js';
import type { ServiceBinding } from '../rpc.ts';
import { type CallObserver, type CallScope, toGrpcService } from './grpc-service.ts';

export type GrpcServerOptions = {
  readonly services: readonly ServiceBinding[];
  /** Streams one connection may have open at once. */
  readonly maxConcurrentStreams?: number;
  readonly maxReceiveBytes?: number;
  readonly keepaliveTimeMs?: number;
  readonly keepaliveTimeoutMs?: number;
  readonly observe?: CallObserver;
};

/** How long answers may take to go out. */
const SHUTDOWN_MS = 500;

export class GrpcServer {
  readonly #server: Server;
  readonly #injector: ConnectionInjector;
  readonly #calls = new Set<AbortController>();
  #closing = false;

  constructor(options: GrpcServerOptions) {
    this.#server = new Server({
      'grpc.max_concurrent_streams': options.maxConcurrentStreams ?? 64,
      'grpc.max_receive_message_length': options.maxReceiveBytes ?? 1024 * 1024,
      'grpc.keepalive_time_ms': options.keepaliveTimeMs ?? 20_000,
      'grpc.keepalive_timeout_ms': options.keepaliveTimeoutMs ?? 10_000,
      'grpc.enable_channelz': 0,
    });
    const scope: CallScope = {
      enter: (onCancel) => this.#enter(onCancel),
      closing: () => this.#closing,
      observe: options.observe ?? (() => {}),
    };
    for (const binding of options.services) {
      const { definition, implementation } = toGrpcService(binding, scope);
      this.#server.addService(definition, implementation);
    }
    this.#injector = this.#server.createConnectionInjector(ServerCredentials.createInsecure());
  }

  /** Serves one connection, already authenticated and encrypted as its listener demands. */
  accept(connection: Duplex): void {
    if (this.#closing) connection.destroy();
    else this.#injector.injectConnection(connection);
  }

  /** Ends every call with Unavailable, lets the answers go out, then closes every connection. */
  async close(): Promise<void> {
    this.#closing = true;
    for (const call of this.#calls) call.abort();
    await new Promise<void>((resolve) => {
      const force = setTimeout(() => {
        this.#server.forceShutdown();
        // Not left to the callback: it never comes for a session that was just falling apart.
        resolve();
      }, SHUTDOWN_MS);
      this.#server.tryShutdown(() => {
        clearTimeout(force);
        resolve();
      });
    });
    this.#injector.destroy();
  }

  #enter(onCancel: (abort: () => void) => void): { signal: AbortSignal; leave: () => void } {
    const call = new AbortController();
    this.#calls.add(call);
    onCancel(() => call.abort());
    if (this.#closing) call.abort();
    return { signal: call.signal, leave: () => this.#calls.delete(call) };
  }
}
