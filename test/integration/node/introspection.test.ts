// Health and server reflection on a pod's socket, over real connections.

import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { afterEach, beforeEach, suite, test } from 'node:test';
import { create, createFileRegistry, fromBinary, toBinary } from '@bufbuild/protobuf';
import { FileDescriptorProtoSchema, FileDescriptorSetSchema } from '@bufbuild/protobuf/wkt';
import { Client, credentials, Metadata } from '@grpc/grpc-js';
import {
  Health,
  HealthCheckResponse_ServingStatus as Status,
} from '../../../src/transport/gen/grpc/health/v1/health_pb.ts';
import {
  ServerReflection,
  type ServerReflectionRequestSchema,
} from '../../../src/transport/gen/grpc/reflection/v1/reflection_pb.ts';
import { ServerReflection as ServerReflectionAlpha } from '../../../src/transport/gen/grpc/reflection/v1alpha/reflection_pb.ts';
import { createGrpcClient } from '../../../src/transport/grpc/grpc-client.ts';
import { methodDefinition } from '../../../src/transport/grpc/grpc-service.ts';
import { podMessage } from '../../fakes/fake-issuer.ts';
import { during, Messages, NodeHarness } from './node-harness.ts';

let node: NodeHarness;
const closing: { close(): void }[] = [];
beforeEach(async () => {
  node = await NodeHarness.start();
});
afterEach(async () => {
  for (const client of closing.splice(0)) client.close();
  await node.stop();
});

async function socketOf(paths: readonly string[] | undefined): Promise<string> {
  const uid = randomUUID();
  if (paths !== undefined) node.issuer.pushPod(podMessage(uid, paths));
  return node.socketOf((await node.publish({ uid })).request);
}

function clientOf<S extends Parameters<typeof createGrpcClient>[0]>(service: S, socket: string) {
  const client = createGrpcClient(service, { target: `unix:${socket}` });
  closing.push(client);
  return client;
}

suite('health', () => {
  test('a pod with an identity, and one that has none, are served', async () => {
    for (const paths of [['/a'], []]) {
      const health = clientOf(Health, await socketOf(paths));
      for (const service of ['', 'SpiffeWorkloadAPI', 'grpc.health.v1.Health']) {
        assert.equal((await health.check({ service }, node.call)).status, Status.SERVING);
      }
    }
  });

  test('a service that is not there is not found', async () => {
    const health = clientOf(Health, await socketOf(['/a']));
    await assert.rejects(health.check({ service: 'x' }, node.call), { code: 'not-found' });
    const watched = new Messages(health.watch({ service: 'x' }, node.call));
    assert.equal((await watched.next()).status, Status.SERVICE_UNKNOWN);
  });

  test('a watcher sees the identity come', async () => {
    const uid = randomUUID();
    const second = async () => await node.clock.advance(1000);
    const { request } = await during(node.publish({ uid }), second);
    const health = clientOf(Health, node.socketOf(request));
    const watched = new Messages(health.watch({ service: '' }, node.call));
    assert.equal((await watched.next()).status, Status.NOT_SERVING);
    assert.equal((await health.check({ service: '' }, node.call)).status, Status.NOT_SERVING);
    node.issuer.pushPod(podMessage(uid, ['/a']));
    assert.equal((await during(watched.next(), second)).status, Status.SERVING);
  });

  test('needs the security header', async () => {
    const health = clientOf(Health, await socketOf(['/a']));
    const bare = { ...node.call, metadata: {} };
    await assert.rejects(health.check({ service: '' }, bare), { code: 'invalid-argument' });
    await assert.rejects(new Messages(health.watch({ service: '' }, bare)).next(), {
      code: 'invalid-argument',
    });
  });
});

type Asked = Parameters<typeof create<typeof ServerReflectionRequestSchema>>[1];

/** The answers of both versions to some questions on one stream; both must be alike. */
async function reflect(socket: string, asked: readonly Asked[], headers = node.call.metadata) {
  const [first, second] = await Promise.all(
    [ServerReflection, ServerReflectionAlpha].map(async ({ methods: [method] }) => {
      assert.ok(method !== undefined);
      const client = new Client(`unix:${socket}`, credentials.createInsecure());
      closing.push(client);
      const metadata = new Metadata();
      for (const [name, value] of Object.entries(headers ?? {})) metadata.set(name, value);
      const { path, requestSerialize } = methodDefinition(method);
      const stream = client.makeBidiStreamRequest(
        path,
        requestSerialize,
        (bytes: Buffer) => fromBinary(ServerReflection.method.serverReflectionInfo.output, bytes),
        metadata,
      );
      for (const request of asked) stream.write({ host: 'h', ...request } as object);
      stream.end();
      const answers = [];
      for await (const answer of stream) answers.push(answer);
      return answers as ReturnType<
        typeof fromBinary<typeof ServerReflection.method.serverReflectionInfo.output>
      >[];
    }),
  );
  assert.deepEqual(
    first?.map(({ messageResponse }) => messageResponse),
    second?.map(({ messageResponse }) => messageResponse),
  );
  return first ?? [];
}

suite('WE-21: server reflection', () => {
  test('lists the services of the socket and no others', async () => {
    const [answer] = await reflect(await socketOf(['/a']), [
      { messageRequest: { case: 'listServices', value: '*' } },
    ]);
    assert.equal(answer?.validHost, 'h');
    assert.equal(answer?.originalRequest?.messageRequest.case, 'listServices');
    assert.ok(answer?.messageResponse.case === 'listServicesResponse');
    assert.deepEqual(
      answer.messageResponse.value.service.map(({ name }) => name),
      [
        'SpiffeWorkloadAPI',
        'grpc.health.v1.Health',
        'grpc.reflection.v1.ServerReflection',
        'grpc.reflection.v1alpha.ServerReflection',
      ],
    );
  });

  test('WE-19, WA-02: the definitions are those of the standard, with all they need', async () => {
    const [bySymbol, byFile, byMethod] = await reflect(await socketOf(['/a']), [
      { messageRequest: { case: 'fileContainingSymbol', value: 'SpiffeWorkloadAPI' } },
      { messageRequest: { case: 'fileByFilename', value: 'spiffe/workload.proto' } },
      {
        messageRequest: { case: 'fileContainingSymbol', value: 'SpiffeWorkloadAPI.FetchX509SVID' },
      },
    ]);
    assert.deepEqual(byFile?.messageResponse, bySymbol?.messageResponse);
    assert.deepEqual(byMethod?.messageResponse, bySymbol?.messageResponse);
    assert.ok(bySymbol?.messageResponse.case === 'fileDescriptorResponse');
    const file = bySymbol.messageResponse.value.fileDescriptorProto
      .map((bytes) => fromBinary(FileDescriptorProtoSchema, bytes))
      // What is needed first, as a registry wants it.
      .toReversed();
    const registry = createFileRegistry(
      fromBinary(
        FileDescriptorSetSchema,
        toBinary(FileDescriptorSetSchema, create(FileDescriptorSetSchema, { file })),
      ),
    );
    const service = registry.getService('SpiffeWorkloadAPI');
    assert.deepEqual(
      service?.methods.map(({ name }) => name),
      [
        'FetchX509SVID',
        'FetchX509Bundles',
        'FetchJWTSVID',
        'FetchJWTBundles',
        'ValidateJWTSVID',
        'FetchWITSVID',
        'FetchWITBundles',
      ],
    );
    const fields = registry
      .getMessage('X509SVID')
      ?.fields.map(({ name, number }) => [name, number]);
    assert.deepEqual(fields, [
      ['spiffe_id', 1],
      ['x509_svid', 2],
      ['x509_svid_key', 3],
      ['bundle', 4],
      ['hint', 5],
    ]);
  });

  test('what is not there is said not to be, and the stream goes on', async () => {
    const answers = await reflect(await socketOf(['/a']), [
      { messageRequest: { case: 'fileByFilename', value: 'signet/issuer.proto' } },
      { messageRequest: { case: 'fileContainingSymbol', value: 'constructor' } },
      {
        messageRequest: {
          case: 'fileContainingExtension',
          value: { containingType: 'X509SVID', extensionNumber: 7 },
        },
      },
      { messageRequest: { case: 'allExtensionNumbersOfType', value: 'x' } },
      { messageRequest: { case: 'allExtensionNumbersOfType', value: 'X509SVID' } },
      {},
    ]);
    assert.deepEqual(
      answers.map(({ messageResponse: { case: kind, value } }) =>
        kind === 'errorResponse' ? value.errorCode : kind,
      ),
      [5, 5, 5, 5, 'allExtensionNumbersResponse', 3],
    );
  });

  test('needs the security header', async () => {
    const socket = await socketOf(['/a']);
    await assert.rejects(
      reflect(socket, [{ messageRequest: { case: 'listServices', value: '' } }], {}),
      /3 INVALID_ARGUMENT: metadata workload\.spiffe\.io/,
    );
  });
});
