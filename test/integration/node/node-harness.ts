// The whole node plugin over a kubelet's tree and a fake issuer, on a clock that tests move, and
// clients of the workload sockets it binds.

import { mkdirSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { silentLogger } from '../../../src/base/log.ts';
import { runNodePlugin } from '../../../src/node/main.ts';
import { parseTrustDomain } from '../../../src/spiffe/spiffe-id.ts';
import { SpiffeWorkloadAPI } from '../../../src/transport/gen/spiffe/workload_pb.ts';
import {
  type CallOptions,
  createGrpcClient,
  type GrpcClient,
} from '../../../src/transport/grpc/grpc-client.ts';
import { FakeClock } from '../../fakes/fake-clock.ts';
import { FakeIssuer } from '../../fakes/fake-issuer.ts';
import { FakeKubelet, type PublishRequest } from '../../fakes/fake-kubelet.ts';
import { TestAuthority } from '../../fakes/test-authority.ts';

export const NOW = Date.UTC(2026, 0, 1);
export const HEADER = { 'workload.spiffe.io': 'true' };

export type WorkloadClient = GrpcClient<typeof SpiffeWorkloadAPI>;

export class NodeHarness {
  readonly clock: FakeClock;
  readonly kubelet = new FakeKubelet();
  readonly issuer: FakeIssuer;
  readonly #clients: { close(): void }[] = [];
  readonly #cancel = new AbortController();
  readonly #plugins: { stop: AbortController; done: Promise<void> }[] = [];
  #links = 0;
  /** Ends the first instance, as SIGTERM does. */
  stopFirst: () => Promise<void> = async () => {};

  private constructor(authority: TestAuthority, now: number) {
    this.clock = new FakeClock(now);
    const path = join(this.kubelet.root, 'issuer.sock');
    this.issuer = new FakeIssuer(path, authority, this.clock);
    mkdirSync(join(this.kubelet.root, 's'));
  }

  /** An issuer that listens and a plugin that is ready. */
  static async start(
    options: { issuerUp?: boolean; allowKeysOnDisk?: boolean; now?: number } = {},
  ): Promise<NodeHarness> {
    const { now = NOW } = options;
    const harness = new NodeHarness(await TestAuthority.create('example.org', now), now);
    if (options.issuerUp !== false) await harness.issuer.start();
    harness.stopFirst = await harness.startPlugin(options);
    return harness;
  }

  /** Starts an instance; `stop` ends it and waits for its end. */
  async startPlugin(
    options: { token?: () => Promise<string>; allowKeysOnDisk?: boolean } = {},
  ): Promise<() => Promise<void>> {
    const stop = new AbortController();
    const ready = Promise.withResolvers<void>();
    const done = runNodePlugin(
      {
        nodeName: 'node-1',
        driverName: 'csi.spiffe.io',
        kubeletRoot: this.kubelet.root,
        trustDomain: parseTrustDomain('example.org'),
        issuer: {
          channel: { target: this.issuer.target },
          token: options.token ?? (async () => 'token-1'),
        },
        clock: this.clock,
        log: silentLogger,
        version: '1.2.3',
        allowKeysOnDisk: options.allowKeysOnDisk ?? false,
        onReady: ready.resolve,
      },
      stop.signal,
    );
    this.#plugins.push({ stop, done });
    await Promise.race([ready.promise, done]);
    return async () => {
      stop.abort();
      await done;
      this.kubelet.hangUp();
    };
  }

  /** How the first instance ended. */
  get ended(): Promise<void> {
    return this.#plugins[0]?.done ?? Promise.reject(new Error('never started'));
  }

  /** Publishes a volume for a pod and gives a client of its socket. */
  async publish(pod: Parameters<FakeKubelet['request']>[0] = {}) {
    const request = this.kubelet.request(pod);
    await this.kubelet.node.nodePublishVolume(request);
    return { request, workload: this.workload(request) };
  }

  /** The path of a volume's socket, short enough to dial by name. */
  socketOf(request: PublishRequest): string {
    const link = join(this.kubelet.root, 's', String((this.#links += 1)));
    symlinkSync(request.targetPath, link);
    return join(link, 'spire-agent.sock');
  }

  workload(request: PublishRequest): WorkloadClient {
    const client = createGrpcClient(SpiffeWorkloadAPI, {
      target: `unix:${this.socketOf(request)}`,
    });
    this.#clients.push(client);
    return client;
  }

  /** Call options of a well-behaved client; the call ends with the harness. */
  get call(): CallOptions {
    return { metadata: HEADER, signal: this.#cancel.signal };
  }

  async stop(): Promise<void> {
    this.#cancel.abort();
    for (const client of this.#clients) client.close();
    for (const { stop } of this.#plugins) stop.abort();
    await Promise.allSettled(this.#plugins.map(async ({ done }) => await done));
    await this.issuer.stop();
    this.kubelet.close();
  }
}

/** Reads a stream message by message. */
export class Messages<M> {
  readonly #iterator: AsyncIterator<M>;

  constructor(stream: AsyncIterable<M>) {
    this.#iterator = stream[Symbol.asyncIterator]();
  }

  async next(): Promise<M> {
    const result = await this.#iterator.next();
    if (result.done === true) throw new Error('the stream ended with OK');
    return result.value;
  }
}

const PATIENCE_MS = 15_000;

/** Lets the plugin work until `condition` holds; `step` is done before each look. */
export async function until(
  condition: () => boolean,
  step: () => Promise<void> = async () => {},
): Promise<void> {
  const start = performance.now();
  while (performance.now() - start < PATIENCE_MS) {
    await step();
    if (condition()) return;
    await new Promise<void>((resolve) => setImmediate(resolve));
  }
  throw new Error('the condition never held');
}

/** What `work` comes to, while `step` moves time on. */
export async function during<T>(work: Promise<T>, step: () => Promise<void>): Promise<T> {
  let over = false;
  const watched = work.finally(() => {
    over = true;
  });
  watched.catch(() => {});
  await until(() => over, step);
  return await watched;
}
