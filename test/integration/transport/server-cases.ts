// What every gRPC server of ours does for its handlers and its clients, over a real Unix socket with
// grpc-js as the client.

import assert from 'node:assert/strict';
import { afterEach, suite, test } from 'node:test';
import { Client, credentials, type ServiceError, status } from '@grpc/grpc-js';
import { CodedError } from '../../../src/base/errors.ts';
import { SpiffeWorkloadAPI } from '../../../src/transport/gen/spiffe/workload_pb.ts';
import { createGrpcClient } from '../../../src/transport/grpc/grpc-client.ts';
import { bindService, type Call, type Handlers } from '../../../src/transport/rpc.ts';
import { type NewServer, type ServedBy, SocketServer } from './socket-server.ts';

type Workload = Handlers<typeof SpiffeWorkloadAPI>;

export function testServer(newServer: NewServer): void {
  suite('calls', () => {
    let server: ServedBy;
    let socket: SocketServer;
    let target: string;

    async function serve(overrides: Partial<Workload>) {
      const missing = async () => {
        throw new CodedError('unimplemented', 'not served');
      };
      const handlers = new Proxy(overrides, {
        get: (given, name) => Reflect.get(given, name) ?? missing,
      }) as Workload;
      server = newServer([bindService(SpiffeWorkloadAPI, handlers)]);
      socket = await SocketServer.start(server);
      target = socket.target;
    }

    afterEach(async () => await socket.stop());

    test('a unary call carries message and metadata, and its answer comes back typed', async () => {
      await serve({
        validateJWTSVID: async (request, call) => ({
          spiffeId: `${request.svid}|${call.metadata.get('workload.spiffe.io')?.join()}`,
        }),
      });
      const client = createGrpcClient(SpiffeWorkloadAPI, { target });
      const answer = await client.validateJWTSVID(
        { svid: 'x', audience: 'a' },
        { metadata: { 'workload.spiffe.io': 'true' } },
      );
      assert.equal(answer.spiffeId, 'x|true');
      client.close();
    });

    for (const code of [
      'invalid-argument',
      'permission-denied',
      'unavailable',
      'aborted',
    ] as const) {
      test(`a handler's ${code} reaches the client with its text`, async () => {
        await serve({
          fetchJWTSVID: async () => {
            throw new CodedError(code, 'why it is so');
          },
        });
        const client = createGrpcClient(SpiffeWorkloadAPI, { target });
        await assert.rejects(client.fetchJWTSVID({ audience: ['a'] }), {
          code,
          message: 'why it is so',
        });
        client.close();
      });
    }

    test('an unknown error becomes internal and keeps its text from the peer', async () => {
      await serve({
        fetchJWTSVID: async () => {
          throw new Error('a secret path');
        },
      });
      const client = createGrpcClient(SpiffeWorkloadAPI, { target });
      await assert.rejects(client.fetchJWTSVID({}), {
        code: 'internal',
        message: 'internal error',
      });
      client.close();
    });

    test('a stream delivers its messages, then the error that ended it', async () => {
      await serve({
        fetchX509Bundles: async function* () {
          yield { bundles: { a: new Uint8Array([1]) } };
          yield { bundles: { b: new Uint8Array([2]) } };
          throw new CodedError('unavailable', 'over');
        },
      });
      const client = createGrpcClient(SpiffeWorkloadAPI, { target });
      const seen: string[] = [];
      await assert.rejects(
        async () => {
          for await (const message of client.fetchX509Bundles({}))
            seen.push(...Object.keys(message.bundles));
        },
        { code: 'unavailable', message: 'over' },
      );
      assert.deepEqual(seen, ['a', 'b']);
      client.close();
    });

    test('a client that goes away aborts the handler', async () => {
      const gone = Promise.withResolvers<void>();
      await serve({
        fetchX509Bundles: async function* (_request, call: Call) {
          call.signal.addEventListener('abort', () => gone.resolve());
          yield { bundles: {} };
          await gone.promise;
        },
      });
      const client = createGrpcClient(SpiffeWorkloadAPI, { target });
      const stop = new AbortController();
      for await (const message of client.fetchX509Bundles({}, { signal: stop.signal })) {
        assert.deepEqual(message.bundles, {});
        break;
      }
      stop.abort();
      await gone.promise;
      client.close();
    });

    test('WA-42: a reader that reads nothing holds the generator back', async () => {
      let produced = 0;
      const chunk = new Uint8Array(256 * 1024);
      await serve({
        fetchX509Bundles: async function* () {
          for (; produced < 1000; produced += 1) yield { bundles: { a: chunk } };
        },
      });
      const client = createGrpcClient(SpiffeWorkloadAPI, { target });
      const messages = client.fetchX509Bundles({})[Symbol.asyncIterator]();
      await messages.next();
      let before = -1;
      while (before !== produced) {
        before = produced;
        for (let turn = 0; turn < 200; turn += 1)
          await new Promise((resolve) => setImmediate(resolve));
      }
      assert.ok(
        produced < 100,
        `produced ${produced} messages of 256 KiB for a reader that read one`,
      );
      await messages.return?.();
      client.close();
    });

    test('closing the server ends open streams with unavailable, never with OK', async () => {
      await serve({
        fetchX509Bundles: async function* (_request, call: Call) {
          yield { bundles: {} };
          await new Promise<void>((resolve) => {
            call.signal.addEventListener('abort', () => resolve());
          });
        },
      });
      const client = createGrpcClient(SpiffeWorkloadAPI, { target });
      const messages = client.fetchX509Bundles({})[Symbol.asyncIterator]();
      await messages.next();
      const next = messages.next();
      await server.close();
      await assert.rejects(next, { code: 'unavailable' });
      client.close();
    });

    test('a message that cannot be parsed fails its own call only', async () => {
      await serve({ fetchJWTSVID: async () => ({ svids: [] }) });
      const raw = new Client(target, credentials.createInsecure());
      const code = await new Promise((resolve) => {
        raw.makeUnaryRequest(
          '/SpiffeWorkloadAPI/FetchJWTSVID',
          (value: Buffer) => value,
          (value: Buffer) => value,
          Buffer.from([0x0a, 0xff]),
          (error: ServiceError | null) => resolve(error?.code),
        );
      });
      assert.equal(code, status.INTERNAL);
      const client = createGrpcClient(SpiffeWorkloadAPI, { target });
      assert.deepEqual((await client.fetchJWTSVID({ audience: ['a'] })).svids, []);
      raw.close();
      client.close();
    });
  });
}
