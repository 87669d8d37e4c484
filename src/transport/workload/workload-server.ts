// The gRPC server of workload sockets: HTTP/2 of our own over connections that are handed to it. It
// listens nowhere, looks at no `:authority`, and bounds what a pod can make it hold.

import type { Duplex } from 'node:stream';
import type { ServiceBinding } from '../rpc.ts';
import { Deadlines } from './grpc/deadlines.ts';
import { type CallObserver, type CallScope, GrpcCall } from './grpc/grpc-call.ts';
import { type GrpcRequest, readGrpcRequest, servedMethods } from './grpc/grpc-request.ts';
import { RequestMemory } from './grpc/message-reader.ts';
import { RefusedCall } from './grpc/refused-call.ts';
import { Http2Connection } from './http2/connection.ts';
import type { RequestOpener } from './http2/incoming-frames.ts';
import { LIMITS, type Limits } from './http2/limits.ts';

export type WorkloadServerOptions = {
  readonly services: readonly ServiceBinding[];
  /** Connections at once; a further one is closed. */
  readonly maxConnections?: number;
  /** The largest message of a request. */
  readonly maxMessageBytes?: number;
  readonly limits?: Partial<Limits>;
  /** What other servers' incomplete requests are counted in as well. */
  readonly sharedMemory?: RequestMemory;
  readonly observe?: CallObserver;
};

const MAX_CONNECTIONS = 16;
const MAX_MESSAGE_BYTES = 64 * 1024;

export class WorkloadServer {
  readonly #limits: Limits;
  readonly #maxConnections: number;
  readonly #opener: RequestOpener<GrpcRequest>;
  readonly #connections = new Set<Http2Connection<GrpcRequest>>();
  #isClosing = false;

  constructor(options: WorkloadServerOptions) {
    this.#limits = { ...LIMITS, ...options.limits };
    this.#maxConnections = options.maxConnections ?? MAX_CONNECTIONS;
    const methods = servedMethods(options.services);
    const scope: CallScope = {
      maxMessageBytes: options.maxMessageBytes ?? MAX_MESSAGE_BYTES,
      memory: new RequestMemory(this.#limits.maxBufferedBytes, options.sharedMemory),
      messageMs: this.#limits.messageMs,
      deadlines: new Deadlines(),
      observe: options.observe ?? (() => {}),
    };
    this.#opener = {
      read: (head) => readGrpcRequest(methods, head),
      open: (stream, request, release) =>
        request.kind === 'call'
          ? new GrpcCall({ scope, stream, request, release })
          : new RefusedCall(stream, request.answer, release),
    };
  }

  /** Serves one connection; who may connect is for its listener to say. */
  accept(duplex: Duplex): void {
    if (this.#isClosing || this.#connections.size >= this.#maxConnections) {
      duplex.on('error', () => {});
      duplex.destroy();
      return;
    }
    const connection: Http2Connection<GrpcRequest> = new Http2Connection(duplex, {
      limits: this.#limits,
      opener: this.#opener,
      onClose: () => this.#connections.delete(connection),
    });
    this.#connections.add(connection);
  }

  /** Ends every call with Unavailable, lets the answers go out, then closes every connection. */
  async close(): Promise<void> {
    this.#isClosing = true;
    await Promise.all([...this.#connections].map(async (one) => await one.shutdown()));
  }
}
