// How a workload server ends: what clients are told, and that it comes to an end.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { duplexPair } from 'node:stream';
import { afterEach, beforeEach, test } from 'node:test';
import { CODE, FLAG, FRAME, SETTING } from '../../../../src/transport/workload/http2/protocol.ts';
import { WorkloadServer } from '../../../../src/transport/workload/workload-server.ts';
import { Lingering } from '../lingering.ts';
import {
  CALL,
  END,
  frame,
  headers,
  message,
  ServedSocket,
  STREAM_CALL,
  settings,
} from './h2-harness.ts';

let served: ServedSocket;
beforeEach(async () => {
  served = await ServedSocket.start(
    {
      validateJWTSVID: async (_request, call) => {
        await new Promise((resolve) => call.signal.addEventListener('abort', resolve));
        return { spiffeId: 'late' };
      },
      fetchX509Bundles: async function* (_request, call) {
        yield { bundles: { a: Buffer.alloc(1000) } };
        await new Promise((resolve) => call.signal.addEventListener('abort', resolve));
      },
    },
    { maxConnections: 2 },
  );
});
afterEach(async () => await served.stop());

test('GOAWAY NO_ERROR comes first, then every stream ends with Unavailable, then the connection', async () => {
  const client = await served.client();
  client.send(headers(1, STREAM_CALL), message(1), headers(3), message(3));
  await client.next(FRAME.DATA, 1);
  await client.settled();
  const closed = served.server.close();
  const { payload } = await client.next(FRAME.GOAWAY);
  assert.equal(payload.readUInt32BE(0), 3, 'the last stream that was served');
  assert.equal(payload.readUInt32BE(4), CODE.NO_ERROR);
  const last = await client.next(FRAME.HEADERS, 1);
  assert.equal(last.flags & END, END);
  assert.equal(client.decode(last).get('grpc-status'), '14');
  await client.closed();
  await closed;
});

test('an answer that is there is still given, and a new stream is not served', async () => {
  const client = await served.client();
  client.send(headers(1), message(1));
  await client.settled();
  const closed = served.server.close();
  client.send(headers(3), message(3));
  await client.next(FRAME.GOAWAY);
  assert.equal((await client.fields(1)).get(':status'), '200');
  assert.equal((await client.fields(1)).get('grpc-status'), '0');
  await assert.rejects(client.next(FRAME.HEADERS, 3), /closed without/);
  await closed;
});

test('a message that was cut off is not followed by an end that looks well', async () => {
  const client = await served.client();
  client.send(settings([SETTING.INITIAL_WINDOW_SIZE, 10]), headers(1, STREAM_CALL), message(1));
  await client.next(FRAME.DATA, 1);
  const started = performance.now();
  await served.server.close();
  assert.ok(performance.now() - started < 5000);
  await client.closed();
  await assert.rejects(client.next(FRAME.HEADERS, 1), /closed without/);
});

test('an answer of which nothing could be sent ends with Unavailable', async () => {
  const client = await served.client();
  client.send(settings([SETTING.INITIAL_WINDOW_SIZE, 0]), headers(1, STREAM_CALL), message(1));
  await client.next(FRAME.HEADERS, 1);
  await served.server.close();
  assert.equal((await client.fields(1)).get('grpc-status'), '14');
});

test('a client that ends its side is answered what it can be, and closed', async () => {
  const client = await served.client();
  client.send(headers(1, STREAM_CALL), message(1));
  client.socket.end();
  await client.next(FRAME.DATA, 1);
  assert.equal((await client.fields(1)).get('grpc-status'), '14');
  await client.closed();
});

test('a client that says GOAWAY is served to its end, then closed', async () => {
  const client = await served.client();
  client.send(headers(1, [...CALL, ['grpc-timeout', '200m']]), message(1));
  client.send(frame(FRAME.GOAWAY, { payload: Buffer.alloc(8) }));
  assert.equal((await client.fields(1)).get('grpc-status'), '4');
  await client.closed();
});

test('connections beyond the limit are closed, one that ends makes room', async () => {
  const [one] = [await served.client(), await served.client()];
  await one.settled();
  const beyond = await served.client();
  await beyond.closed();
  one.destroy();
  for (;;) {
    const again = await served.client();
    const isServed = await again.settled().then(
      () => true,
      () => false,
    );
    if (isServed) break;
  }
});

test('after close nothing is accepted', async () => {
  await served.server.close();
  const client = await served.client();
  await client.closed();
});

test('close comes to an end when a connection does not', { timeout: 10_000 }, async () => {
  const [near, far] = duplexPair();
  const server = new WorkloadServer({ services: [] });
  server.accept(new Lingering(far));
  const first = once(near, 'data');
  near.write(Buffer.concat([Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'), settings()]));
  const [bytes] = (await first) as [Buffer];
  assert.equal(bytes[3], FRAME.SETTINGS);
  assert.equal((bytes[4] as number) & FLAG.ACK, 0);
  await server.close();
});
