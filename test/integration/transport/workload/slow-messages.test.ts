// Messages that do not come whole: they are held for a while, and not for ever.

import assert from 'node:assert/strict';
import { afterEach, beforeEach, test } from 'node:test';
import { SecretDiscoveryService } from '../../../../src/transport/gen/envoy/service/secret/v3/sds_pb.ts';
import { SpiffeWorkloadAPI } from '../../../../src/transport/gen/spiffe/workload_pb.ts';
import { bindService } from '../../../../src/transport/rpc.ts';
import { RequestMemory } from '../../../../src/transport/workload/grpc/message-reader.ts';
import { FRAME } from '../../../../src/transport/workload/http2/protocol.ts';
import { CALL, type Field, frame, headers, type RawClient, ServedSocket } from './h2-harness.ts';

const BIDI: readonly Field[] = CALL.map(([name, value]) =>
  name === ':path'
    ? [name, '/envoy.service.secret.v3.SecretDiscoveryService/StreamSecrets']
    : [name, value],
);
const unary = async () => ({});
const memory = new RequestMemory(1024 * 1024);
let served: ServedSocket;
let client: RawClient;
beforeEach(async () => {
  const secrets = bindService(SecretDiscoveryService, {
    streamSecrets: async function* (requests) {
      for await (const _ of requests) yield {};
    },
    fetchSecrets: unary,
    deltaSecrets: async function* () {},
  });
  const workload = bindService(SpiffeWorkloadAPI, {
    validateJWTSVID: unary,
  } as unknown as Parameters<typeof bindService<typeof SpiffeWorkloadAPI>>[1]);
  served = await ServedSocket.start(
    {},
    { services: [workload, secrets], limits: { messageMs: 400 }, sharedMemory: memory },
  );
  client = await served.client();
});
afterEach(async () => {
  await served.stop();
  assert.equal(memory.used, 0);
});

const data = (streamId: number, payload: Buffer, flags = 0) =>
  frame(FRAME.DATA, { streamId, payload, flags });
const half = Buffer.alloc(1000);
half.writeUInt32BE(2000, 1);
const empty = Buffer.alloc(5);

const statusOf = async (streamId: number): Promise<ReadonlyMap<string, string>> => {
  for (;;) {
    const fields = await client.fields(streamId);
    if (fields.has('grpc-status')) return fields;
  }
};

for (const [name, fields, parts] of [
  ['a request of which nothing comes', CALL, []],
  ['half the message of a request', CALL, [half]],
  ['a request whose message came and that does not end', CALL, [empty]],
  ['half a message of a stream', BIDI, [half]],
  ['the prefix of a message of a stream', BIDI, [empty.subarray(0, 3)]],
  ['a message of a stream and half another', BIDI, [Buffer.concat([empty, half])]],
] as const) {
  test(`is given up: ${name}`, async () => {
    client.send(headers(1, fields), ...parts.map((part) => data(1, part)));
    const status = await statusOf(1);
    assert.equal(status.get('grpc-status'), '8');
    assert.match(status.get('grpc-message') ?? '', /not complete within 400 ms/);
    await client.settled();
  });
}

test('a stream may be silent between messages, and each message has its own time', async () => {
  client.send(headers(1, BIDI));
  for (let at = 0; at < 4; at += 1) {
    client.send(data(1, empty.subarray(0, 2)));
    await new Promise((resolve) => setTimeout(resolve, 150));
    client.send(data(1, empty.subarray(2)));
    await client.next(FRAME.DATA, 1);
  }
  await new Promise((resolve) => setTimeout(resolve, 600));
  client.send(data(1, empty));
  await client.next(FRAME.DATA, 1);
});

test('what servers share holds for all of them together, and is given back', async () => {
  const whole = new RequestMemory(1000);
  const [one, other] = [new RequestMemory(800, whole), new RequestMemory(800, whole)];
  one.take(700);
  assert.throws(() => one.take(200), { code: 'resource-exhausted' });
  assert.throws(() => other.take(400), { code: 'resource-exhausted' });
  assert.deepEqual([one.used, other.used, whole.used], [700, 0, 700]);
  one.giveBack(700);
  other.take(800);
  assert.equal(whole.used, 800);
});
