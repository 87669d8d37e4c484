// Liveness and readiness for the kubelet's probes: alive means that the process answers, ready that
// nothing is missing. Liveness never depends on anybody else.

import { createServer, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export type HealthServerOptions = {
  readonly host?: string;
  readonly port: number;
  /** Why it is not ready; empty when it is. Shown to whoever asks: never a secret. */
  readonly missing: () => readonly string[];
};

const TIMEOUT_MS = 5000;
const MAX_HEADER_BYTES = 4096;
const MAX_CONNECTIONS = 64;

export class HealthServer {
  readonly #options: HealthServerOptions;
  readonly #server: Server;

  constructor(options: HealthServerOptions) {
    this.#options = options;
    this.#server = createServer(
      { maxHeaderSize: MAX_HEADER_BYTES, requestTimeout: TIMEOUT_MS, headersTimeout: TIMEOUT_MS },
      (request, response) => {
        request.resume();
        const isRead = request.method === 'GET' || request.method === 'HEAD';
        if (isRead && request.url === '/livez') answer(response, 200, 'ok');
        else if (isRead && request.url === '/readyz') this.#answerReady(response);
        else answer(response, 404, 'not found');
      },
    );
    this.#server.maxConnections = MAX_CONNECTIONS;
    this.#server.keepAliveTimeout = TIMEOUT_MS;
  }

  get port(): number {
    const address: AddressInfo | string | null = this.#server.address();
    return typeof address === 'object' ? (address?.port ?? 0) : 0;
  }

  async listen(): Promise<void> {
    const { host, port } = this.#options;
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen({ port, ...(host === undefined ? {} : { host }) }, () => {
        this.#server.off('error', reject);
        resolve();
      });
    });
  }

  async close(): Promise<void> {
    const closed = new Promise<void>((resolve) => {
      this.#server.close(() => resolve());
    });
    this.#server.closeAllConnections();
    await closed;
  }

  #answerReady(response: ServerResponse): void {
    const missing = this.#options.missing();
    if (missing.length === 0) answer(response, 200, 'ok');
    else answer(response, 503, missing.join('\n'));
  }
}

function answer(response: ServerResponse, status: number, text: string): void {
  response.writeHead(status, {
    'content-type': 'text/plain; charset=utf-8',
    'x-content-type-options': 'nosniff',
    connection: 'close',
  });
  response.end(`${text}\n`);
}
