// Health over plain HTTP for the kubelet's probes. Alive: this loop turns and the CSI socket answers.
// Ready: the kubelet knows of it. The issuer's absence is neither: a restart would not bring it back.

import { createServer, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { CodedError, invalid } from '../base/errors.ts';
import { Identity } from '../transport/gen/csi/csi_pb.ts';
import { createGrpcClient } from '../transport/grpc/grpc-client.ts';
import type { RegistrationState } from './csi/registration.ts';

/** What is known of a plugin that the kubelet can call. */
export type PluginState = {
  readonly csiEndpoint: string;
  /** `off`: somebody else registers it. */
  readonly registration: () => RegistrationState | 'off';
};

export type HealthAddress = { readonly host: string; readonly port: number };

const PROBE_TIMEOUT_MS = 2000;
const HTTP_TIMEOUT_MS = 5000;
const MAX_CONNECTIONS = 32;
const MAX_HEADER_BYTES = 4096;

type Verdict = { readonly ok: boolean; readonly text: string };

export class HealthServer {
  readonly #server: Server;
  #plugin: PluginState | undefined;
  #isTakingOver = false;
  #probing: Promise<Verdict> | undefined;

  constructor() {
    const limits = {
      requestTimeout: HTTP_TIMEOUT_MS,
      headersTimeout: HTTP_TIMEOUT_MS,
      connectionsCheckingInterval: HTTP_TIMEOUT_MS,
      maxHeaderSize: MAX_HEADER_BYTES,
      keepAlive: false,
    };
    this.#server = createServer(limits, ({ method, url }, response) => {
      if (method !== 'GET' && method !== 'HEAD') return answer(response, 405, 'GET only');
      if (url === '/healthz') return void this.#answerHealth(response);
      if (url === '/readyz') return answerVerdict(response, this.#readiness());
      answer(response, 404, '/healthz or /readyz');
    });
    this.#server.maxConnections = MAX_CONNECTIONS;
  }

  /** Where it listens, once it does: port 0 becomes one that was free. */
  get at(): HealthAddress | undefined {
    const bound: AddressInfo | string | null = this.#server.address();
    return bound === null || typeof bound === 'string'
      ? undefined
      : { host: bound.address, port: bound.port };
  }

  /** Throws `invalid-argument` where it cannot listen. */
  async listen(address: HealthAddress): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      this.#server.on('error', (thrown) => {
        reject(invalid(`health: cannot listen on ${address.host}:${address.port}`, thrown));
      });
      this.#server.listen(address, () => resolve());
    });
  }

  /** An older instance serves while this one gets ready, however long that takes: it is alive. */
  takingOver(): void {
    this.#isTakingOver = true;
  }

  /** From now on there is something to be asked for. */
  started(plugin: PluginState): void {
    this.#plugin = plugin;
  }

  async close(): Promise<void> {
    const closed = new Promise<void>((resolve) => {
      this.#server.close(() => resolve());
    });
    this.#server.closeAllConnections();
    await closed;
  }

  async #answerHealth(response: ServerResponse): Promise<void> {
    if (this.#plugin === undefined && this.#isTakingOver) {
      return answerVerdict(response, { ok: true, text: 'taking over' });
    }
    // Many who ask at once make one probe.
    this.#probing ??= probe(this.#plugin).finally(() => {
      this.#probing = undefined;
    });
    answerVerdict(response, await this.#probing);
  }

  #readiness(): Verdict {
    const state = this.#plugin?.registration() ?? 'starting';
    return { ok: state === 'registered' || state === 'off', text: `registration: ${state}` };
  }
}

/** By a connection of its own: that it is accepted is half of what is asked. */
async function probe(plugin: PluginState | undefined): Promise<Verdict> {
  if (plugin === undefined) return { ok: false, text: 'starting' };
  const client = createGrpcClient(Identity, { target: `unix:${plugin.csiEndpoint}` });
  try {
    const { ready } = await client.probe({}, { timeoutMs: PROBE_TIMEOUT_MS });
    return ready === false ? { ok: false, text: 'CSI: not ready' } : { ok: true, text: 'ok' };
  } catch (thrown) {
    return { ok: false, text: `CSI: ${CodedError.from(thrown).code}` };
  } finally {
    client.close();
  }
}

function answerVerdict(response: ServerResponse, { ok, text }: Verdict): void {
  answer(response, ok ? 200 : 503, text);
}

function answer(response: ServerResponse, status: number, text: string): void {
  response.writeHead(status, {
    'content-type': 'text/plain; charset=utf-8',
    'cache-control': 'no-store',
    connection: 'close',
  });
  response.end(`${text}\n`);
}
