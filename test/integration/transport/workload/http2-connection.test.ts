// HTTP/2 case by case, over a raw socket (RFC 9113): what the connection survives and what it does not.

import assert from 'node:assert/strict';
import { afterEach, beforeEach, test } from 'node:test';
import {
  CODE,
  FLAG,
  FRAME,
  PREFACE,
  SETTING,
} from '../../../../src/transport/workload/http2/protocol.ts';
import {
  END,
  frame,
  headers,
  message,
  numberFrame,
  type RawClient,
  ServedSocket,
  settings,
} from './h2-harness.ts';

let served: ServedSocket;
let client: RawClient;
beforeEach(async () => {
  served = await ServedSocket.start({
    validateJWTSVID: async () => ({ spiffeId: 'spiffe://example.org/a' }),
    fetchX509Bundles: async function* (_request, call) {
      yield { bundles: { a: Buffer.alloc(100, 1) } };
      await new Promise((resolve) => call.signal.addEventListener('abort', resolve));
    },
  });
  client = await served.client();
});
afterEach(async () => await served.stop());

async function answered(streamId: number): Promise<void> {
  const first = await client.next(FRAME.HEADERS, streamId);
  assert.equal(client.decode(first).get(':status'), '200');
  await client.next(FRAME.DATA, streamId);
  const last = await client.next(FRAME.HEADERS, streamId);
  assert.equal(last.flags & END, END);
  assert.equal(client.decode(last).get('grpc-status'), '0');
}

type Case = readonly [name: string, frames: readonly Buffer[], code: number];
const block = headers(1).subarray(9);
/** A frame of stream 1. */
const part = (type: number, flags: number, payload: Buffer) =>
  frame(type, { flags, streamId: 1, payload });

const CONNECTION_ERRORS: readonly Case[] = [
  ['5.1: DATA on an idle stream', [message(1)], CODE.PROTOCOL_ERROR],
  ['5.1: RST_STREAM on an idle stream', [numberFrame(FRAME.RST_STREAM, 1, 8)], CODE.PROTOCOL_ERROR],
  [
    '5.1: WINDOW_UPDATE on an idle stream',
    [numberFrame(FRAME.WINDOW_UPDATE, 1, 8)],
    CODE.PROTOCOL_ERROR,
  ],
  [
    '6.1: padded without a padding length',
    [headers(1), part(FRAME.DATA, FLAG.PADDED, Buffer.alloc(0))],
    CODE.FRAME_SIZE_ERROR,
  ],
  ['6.2: HEADERS on stream 0', [headers(0)], CODE.PROTOCOL_ERROR],
  [
    '6.2: another frame within a header block',
    [part(FRAME.HEADERS, 0, block), frame(FRAME.PING, { payload: Buffer.alloc(8) })],
    CODE.PROTOCOL_ERROR,
  ],
  [
    '6.2: an unknown frame within a header block',
    [part(FRAME.HEADERS, 0, block), frame(0x99)],
    CODE.PROTOCOL_ERROR,
  ],
  [
    '6.3: PRIORITY on stream 0',
    [frame(FRAME.PRIORITY, { payload: Buffer.alloc(5) })],
    CODE.PROTOCOL_ERROR,
  ],
  ['6.4: RST_STREAM on stream 0', [numberFrame(FRAME.RST_STREAM, 0, 8)], CODE.PROTOCOL_ERROR],
  ['6.5: SETTINGS on a stream', [part(FRAME.SETTINGS, 0, Buffer.alloc(0))], CODE.PROTOCOL_ERROR],
  [
    '6.5: SETTINGS of 5 bytes',
    [frame(FRAME.SETTINGS, { payload: Buffer.alloc(5) })],
    CODE.FRAME_SIZE_ERROR,
  ],
  [
    '6.5: an acknowledgement with a payload',
    [frame(FRAME.SETTINGS, { flags: FLAG.ACK, payload: Buffer.alloc(6) })],
    CODE.FRAME_SIZE_ERROR,
  ],
  ['6.5.2: ENABLE_PUSH of 2', [settings([SETTING.ENABLE_PUSH, 2])], CODE.PROTOCOL_ERROR],
  [
    '6.5.2: INITIAL_WINDOW_SIZE over 2^31-1',
    [settings([SETTING.INITIAL_WINDOW_SIZE, 2 ** 31])],
    CODE.FLOW_CONTROL_ERROR,
  ],
  [
    '6.5.2: MAX_FRAME_SIZE under 16,384',
    [settings([SETTING.MAX_FRAME_SIZE, 16_383])],
    CODE.PROTOCOL_ERROR,
  ],
  [
    '6.6: PUSH_PROMISE of a client',
    [part(FRAME.PUSH_PROMISE, FLAG.END_HEADERS, Buffer.alloc(4))],
    CODE.PROTOCOL_ERROR,
  ],
  ['6.7: PING on a stream', [part(FRAME.PING, 0, Buffer.alloc(8))], CODE.PROTOCOL_ERROR],
  ['6.8: GOAWAY on a stream', [part(FRAME.GOAWAY, 0, Buffer.alloc(8))], CODE.PROTOCOL_ERROR],
  [
    '6.8: GOAWAY of 7 bytes',
    [frame(FRAME.GOAWAY, { payload: Buffer.alloc(7) })],
    CODE.FRAME_SIZE_ERROR,
  ],
  [
    '6.9: WINDOW_UPDATE of 0 for the connection',
    [numberFrame(FRAME.WINDOW_UPDATE, 0, 0)],
    CODE.PROTOCOL_ERROR,
  ],
  [
    '6.9.1: a connection window over 2^31-1',
    [numberFrame(FRAME.WINDOW_UPDATE, 0, 2 ** 31 - 1)],
    CODE.FLOW_CONTROL_ERROR,
  ],
  [
    '6.9.2: a stream window over 2^31-1 by SETTINGS',
    [
      headers(1),
      numberFrame(FRAME.WINDOW_UPDATE, 1, 2 ** 31 - 65_536),
      settings([SETTING.INITIAL_WINDOW_SIZE, 70_000]),
    ],
    CODE.FLOW_CONTROL_ERROR,
  ],
  [
    '6.10: CONTINUATION of nothing',
    [part(FRAME.CONTINUATION, FLAG.END_HEADERS, block)],
    CODE.PROTOCOL_ERROR,
  ],
  [
    '6.10: CONTINUATION of another stream',
    [
      part(FRAME.HEADERS, 0, block),
      frame(FRAME.CONTINUATION, { flags: FLAG.END_HEADERS, streamId: 3 }),
    ],
    CODE.PROTOCOL_ERROR,
  ],
  [
    'RFC 7541 2.3.3: an index beyond the tables',
    [part(FRAME.HEADERS, FLAG.END_HEADERS, Buffer.from([0xff, 0x7f]))],
    CODE.COMPRESSION_ERROR,
  ],
];
for (const [name, frames, code] of CONNECTION_ERRORS) {
  test(`RFC 9113 ${name} ends the connection`, async () => {
    client.send(...frames);
    assert.equal(await client.goAwayCode(), code);
  });
}

test('RFC 9113 3.4: what is no HTTP/2 is closed without an answer', async () => {
  const other = await served.client(Buffer.from('GET / HTTP/1.1\r\nhost: localhost\r\n\r\n'));
  await other.closed();
  await assert.rejects(other.next(FRAME.GOAWAY));
});

test('RFC 9113 3.4: the first frame is SETTINGS', async () => {
  const other = await served.client(Buffer.concat([PREFACE, headers(1)]));
  assert.equal(await other.goAwayCode(), CODE.PROTOCOL_ERROR);
});

test('RFC 9113 6.5.3, 6.7: SETTINGS and PING are acknowledged, the latter with its payload', async () => {
  client.send(settings([SETTING.INITIAL_WINDOW_SIZE, 100], [0x99, 1]));
  const payload = Buffer.from('12345678');
  client.send(frame(FRAME.PING, { payload }));
  const pong = await client.next(FRAME.PING);
  assert.deepEqual([pong.flags, pong.payload], [FLAG.ACK, payload]);
});

test('RFC 9113 5.1: HEADERS on a closed stream end the connection', async () => {
  client.send(headers(3), message(3));
  await answered(3);
  client.send(headers(3));
  assert.equal(await client.goAwayCode(), CODE.STREAM_CLOSED);
});
