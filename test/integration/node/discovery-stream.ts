// A client of secret discovery that says what a test tells it to, on one stream.

import assert from 'node:assert/strict';
import type { MessageInitShape } from '@bufbuild/protobuf';
import { anyUnpack } from '@bufbuild/protobuf/wkt';
import { Latest } from '../../../src/base/latest.ts';
import {
  type Secret,
  SecretSchema,
} from '../../../src/transport/gen/envoy/extensions/transport_sockets/tls/v3/secret_pb.ts';
import type {
  DiscoveryRequestSchema,
  DiscoveryResponse,
} from '../../../src/transport/gen/envoy/service/discovery/v3/discovery_pb.ts';
import { SecretDiscoveryService } from '../../../src/transport/gen/envoy/service/secret/v3/sds_pb.ts';
import { createGrpcClient, type GrpcClient } from '../../../src/transport/grpc/grpc-client.ts';
import type { NodeHarness } from './node-harness.ts';

type Request = MessageInitShape<typeof DiscoveryRequestSchema>;
export type SecretsClient = GrpcClient<typeof SecretDiscoveryService>;

/** As an Envoy describes itself. */
export const ENVOY = {
  userAgentName: 'envoy',
  userAgentVersionType: {
    case: 'userAgentBuildVersion' as const,
    value: { version: { majorNumber: 1, minorNumber: 40 } },
  },
};
const SILENCE_MS = 150;

export class DiscoveryStream {
  readonly #queue: Request[] = [];
  readonly #tick = new Latest<true>();
  readonly #end = new AbortController();
  readonly #answers: AsyncIterator<DiscoveryResponse>;
  #pending: Promise<IteratorResult<DiscoveryResponse>> | undefined;
  #isOver = false;

  constructor(client: SecretsClient, metadata: Readonly<Record<string, string>> = {}) {
    const call = { metadata, signal: this.#end.signal };
    this.#answers = client.streamSecrets(this.#requests(), call)[Symbol.asyncIterator]();
  }

  say(request: Request): void {
    this.#queue.push(request);
    this.#tick.set(true);
  }

  /** Takes a response, or rejects it. */
  acknowledge({ nonce }: DiscoveryResponse, names: string[], rejection?: string): void {
    const errorDetail = rejection === undefined ? {} : { errorDetail: { message: rejection } };
    this.say({ resourceNames: names, responseNonce: nonce, ...errorDetail });
  }

  /** The next response; a stream that ends with OK is an error here. */
  async next(): Promise<DiscoveryResponse> {
    const { value, done } = await this.#answer();
    this.#pending = undefined;
    assert.ok(done !== true, 'the stream ended with OK');
    return value;
  }

  /** Fails when anything comes for a while. */
  async staysSilent(): Promise<void> {
    const silence = new Promise<'silent'>((resolve) => {
      setTimeout(() => resolve('silent'), SILENCE_MS);
    });
    assert.equal(await Promise.race([silence, this.#answer()]), 'silent');
  }

  /** Says nothing more, and gives what still comes. */
  async rest(): Promise<DiscoveryResponse[]> {
    this.#isOver = true;
    this.#tick.set(true);
    const responses: DiscoveryResponse[] = [];
    for (;;) {
      const { value, done } = await this.#answer();
      this.#pending = undefined;
      if (done === true) return responses;
      responses.push(value);
    }
  }

  close(): void {
    this.#end.abort();
    this.#pending?.catch(() => {});
  }

  async #answer(): Promise<IteratorResult<DiscoveryResponse>> {
    this.#pending ??= this.#answers.next();
    return await this.#pending;
  }

  async *#requests(): AsyncGenerator<Request> {
    for await (const _ of this.#tick.watch(this.#end.signal)) {
      yield* this.#queue.splice(0);
      if (this.#isOver) return;
    }
  }
}

/** Publishes a volume for a pod, with attributes, and gives a client of secret discovery on it. */
export async function publishSecrets(
  node: NodeHarness,
  pod: { uid: string; volume?: string },
  attributes: Readonly<Record<string, string>> = { 'signet.dev/sds': 'true' },
) {
  const request = node.kubelet.request(pod);
  Object.assign(request.volumeContext, attributes);
  await node.kubelet.node.nodePublishVolume(request);
  const client: SecretsClient = createGrpcClient(SecretDiscoveryService, {
    target: `unix:${node.socketOf(request)}`,
  });
  return { request, client };
}

/** What a response holds, by name. */
export function secretsIn({ resources }: DiscoveryResponse): Map<string, Secret> {
  return new Map(
    resources.map((resource) => {
      const secret = anyUnpack(resource, SecretSchema);
      assert.ok(secret !== undefined);
      return [secret.name, secret];
    }),
  );
}
