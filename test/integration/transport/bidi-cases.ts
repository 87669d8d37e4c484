// What every gRPC server of ours does for a service whose callers are judged, and for streams of
// requests.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { afterEach, suite, test } from 'node:test';
import { Client, credentials, type ServiceError, status } from '@grpc/grpc-js';
import { CodedError } from '../../../src/base/errors.ts';
import { Issuer } from '../../../src/transport/gen/signet/issuer_pb.ts';
import { createGrpcClient } from '../../../src/transport/grpc/grpc-client.ts';
import { type Admit, bindService, type Handlers } from '../../../src/transport/rpc.ts';
import { type NewServer, SocketServer } from './socket-server.ts';

export function testRequestStreams(newServer: NewServer): void {
  suite('streams of requests', () => {
    let socket: SocketServer;

    async function serve(issuer: Handlers<typeof Issuer>, admit?: Admit): Promise<SocketServer> {
      socket = await SocketServer.start(newServer([bindService(Issuer, issuer, admit)]));
      return socket;
    }

    afterEach(async () => await socket.stop());

    test('both sides of a bidirectional stream see each other', async () => {
      const never = async () => {
        throw new CodedError('unimplemented', 'not here');
      };
      await serve({
        watch: async function* (requests) {
          for await (const { report } of requests) {
            if (report.case === 'published') {
              yield { message: { case: 'podGone', value: { podUid: report.value.podUid } } };
            }
          }
        },
        signX509Svids: never,
        signJwtSvids: never,
      });
      const client = createGrpcClient(Issuer, { target: socket.target });
      async function* reports() {
        for (const podUid of ['1', '2']) {
          yield { report: { case: 'published' as const, value: { podUid } } };
        }
      }
      const seen: string[] = [];
      for await (const { message } of client.watch(reports())) {
        if (message.case === 'podGone') seen.push(message.value.podUid);
      }
      assert.deepEqual(seen, ['1', '2']);
      client.close();
    });

    test('a message waits for none of the window that the one before has used', async () => {
      const never = async () => {
        throw new CodedError('unimplemented', 'not here');
      };
      await serve({
        watch: async function* (requests) {
          for await (const { report } of requests) {
            if (report.case !== 'published') continue;
            const { length } = report.value.podUid;
            yield { message: { case: 'podGone', value: { version: BigInt(length) } } };
          }
        },
        signX509Svids: never,
        signJwtSvids: never,
      });
      const client = createGrpcClient(Issuer, { target: socket.target });
      const sizes = [30_000, 40_000, 65_000, 20_000, 50_000, 30_000];
      let answered = Promise.withResolvers<void>();
      async function* reports() {
        for (const size of sizes) {
          answered = Promise.withResolvers();
          yield { report: { case: 'published' as const, value: { podUid: 'x'.repeat(size) } } };
          await answered.promise;
        }
      }
      const seen: number[] = [];
      const call = { signal: AbortSignal.timeout(10_000) };
      for await (const { message } of client.watch(reports(), call)) {
        if (message.case === 'podGone') seen.push(Number(message.value.version));
        answered.resolve();
      }
      assert.deepEqual(seen, sizes);
      client.close();
    });

    test('T-50: nothing of a call is parsed before its caller is admitted', async () => {
      const asked: string[] = [];
      const refused = async () => {
        asked.push('admit');
        throw new CodedError('unauthenticated', 'who are you');
      };
      const never = async () => assert.fail('a handler was reached');
      const handlers = {
        watch: async function* () {
          yield await never();
        },
        signX509Svids: never,
        signJwtSvids: never,
      } as unknown as Handlers<typeof Issuer>;
      const socket = await serve(handlers, refused);
      // Field 1 of the request as a number: no message of this service reads like that.
      const garbage = Buffer.from([0x08, 0xff]);
      const raw = new Client(socket.target, credentials.createInsecure());
      const bytes = (value: Buffer) => value;
      for (const method of ['SignX509Svids', 'SignJwtSvids']) {
        const code = await new Promise((resolve) => {
          const done = (error: ServiceError | null) => resolve(error?.code);
          raw.makeUnaryRequest(`/signet.issuer.v1.Issuer/${method}`, bytes, bytes, garbage, done);
        });
        assert.equal(code, status.UNAUTHENTICATED);
      }
      const watch = raw.makeBidiStreamRequest('/signet.issuer.v1.Issuer/Watch', bytes, bytes);
      const ended = once(watch, 'error');
      watch.write(garbage);
      watch.resume();
      const [error] = (await ended) as [ServiceError];
      assert.equal(error.code, status.UNAUTHENTICATED);
      assert.deepEqual(asked, ['admit', 'admit', 'admit']);
      raw.close();
    });
  });
}
