import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import { Client, credentials, type ServiceError, status } from '@grpc/grpc-js';
import { CodedError } from '../../../src/base/errors.ts';
import { Issuer } from '../../../src/transport/gen/signet/issuer_pb.ts';
import { SpiffeWorkloadAPI } from '../../../src/transport/gen/spiffe/workload_pb.ts';
import { createGrpcClient } from '../../../src/transport/grpc/grpc-client.ts';
import { GrpcServer } from '../../../src/transport/grpc/grpc-server.ts';
import { bindService, type Call, type Handlers } from '../../../src/transport/rpc.ts';

type Workload = Handlers<typeof SpiffeWorkloadAPI>;

let directory: string;
let listener: Server;
let server: GrpcServer;
let target: string;

async function serve(overrides: Partial<Workload>, issuer?: Handlers<typeof Issuer>) {
  const missing = async () => {
    throw new CodedError('unimplemented', 'not served');
  };
  const handlers = new Proxy(overrides, {
    get: (given, name) => Reflect.get(given, name) ?? missing,
  }) as Workload;
  server = new GrpcServer({
    services: [
      bindService(SpiffeWorkloadAPI, handlers),
      ...(issuer ? [bindService(Issuer, issuer)] : []),
    ],
  });
  listener = createServer((socket) => server.accept(socket));
  const path = join(directory, 's');
  await new Promise<void>((resolve) => listener.listen(path, resolve));
  target = `unix:${path}`;
}

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'signet-grpc-'));
});
afterEach(async () => {
  await server.close();
  listener.close();
  await rm(directory, { recursive: true });
});

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

for (const code of ['invalid-argument', 'permission-denied', 'unavailable', 'aborted'] as const) {
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
  await assert.rejects(client.fetchJWTSVID({}), { code: 'internal', message: 'internal error' });
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
    for (let turn = 0; turn < 200; turn += 1) await new Promise((resolve) => setImmediate(resolve));
  }
  assert.ok(produced < 100, `produced ${produced} messages of 256 KiB for a reader that read one`);
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

test('both sides of a bidirectional stream see each other', async () => {
  const never = async () => {
    throw new CodedError('unimplemented', 'not here');
  };
  await serve(
    {},
    {
      watch: async function* (requests) {
        for await (const { report } of requests) {
          if (report.case === 'published') {
            yield { message: { case: 'podGone', value: { podUid: report.value.podUid } } };
          }
        }
      },
      signX509Svids: never,
      signJwtSvids: never,
    },
  );
  const client = createGrpcClient(Issuer, { target });
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
  server = new GrpcServer({ services: [bindService(Issuer, handlers, refused)] });
  listener = createServer((socket) => server.accept(socket));
  const path = join(directory, 's');
  await new Promise<void>((resolve) => listener.listen(path, resolve));
  // Field 1 of the request as a number: no message of this service reads like that.
  const garbage = Buffer.from([0x08, 0xff]);
  const raw = new Client(`unix:${path}`, credentials.createInsecure());
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
