// HTTP/2 stream by stream, over a raw socket (RFC 9113): what is wrong with one is no harm to others.

import assert from 'node:assert/strict';
import { afterEach, beforeEach, test } from 'node:test';
import { CODE, FLAG, FRAME } from '../../../../src/transport/workload/http2/protocol.ts';
import {
  CALL,
  END,
  type Field,
  frame,
  headers,
  message,
  numberFrame,
  type RawClient,
  ServedSocket,
  STREAM_CALL,
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

const without = (name: string) => CALL.filter(([other]) => other !== name);
const withField = (...fields: readonly Field[]) => [...CALL, ...fields];
const MALFORMED: readonly (readonly [name: string, fields: readonly Field[]])[] = [
  ['8.2.1: a name in upper case', withField(['X-A', 'b'])],
  ['8.2.1: an empty name', withField(['', 'b'])],
  ['8.2.1: a value with a line break', withField(['a', 'b\r\nc'])],
  ['8.2.1: a value with white space around it', withField(['a', ' b'])],
  ['8.2.2: connection', withField(['connection', 'close'])],
  ['8.2.2: transfer-encoding', withField(['transfer-encoding', 'chunked'])],
  ['8.2.2: te other than trailers', [...without('te'), ['te', 'gzip']]],
  ['8.3: an unknown pseudo-field', [[':a', 'b'], ...CALL]],
  ['8.3: a pseudo-field after the others', [...without(':path'), [':path', '/a']]],
  ['8.3: a pseudo-field of answers', [[':status', '200'], ...CALL]],
  ['8.3.1: :method twice', [[':method', 'POST'], ...CALL]],
  ['8.3.1: :authority twice', [[':authority', 'a'], ...CALL]],
  ['8.3.1: no :method', without(':method')],
  ['8.3.1: no :scheme', without(':scheme')],
  ['8.3.1: no :path', without(':path')],
  ['8.3.1: an empty :path', [[':path', ''], ...without(':path')]],
];
for (const [name, fields] of MALFORMED) {
  test(`RFC 9113 ${name} resets the stream, and the connection goes on`, async () => {
    client.send(headers(1, fields, END), headers(3), message(3));
    assert.equal(await client.resetCode(1), CODE.PROTOCOL_ERROR);
    await answered(3);
  });
}

const STREAM_ERRORS: readonly Case[] = [
  [
    '5.1: DATA after the end of a request',
    [headers(1, STREAM_CALL), message(1), message(1)],
    CODE.STREAM_CLOSED,
  ],
  [
    '5.1: HEADERS after the end of a request',
    [headers(1, STREAM_CALL), message(1), headers(1, [['a', 'b']], END)],
    CODE.STREAM_CLOSED,
  ],
  [
    '6.9: WINDOW_UPDATE of 0 for a stream',
    [headers(1), numberFrame(FRAME.WINDOW_UPDATE, 1, 0)],
    CODE.PROTOCOL_ERROR,
  ],
  [
    '6.9.1: a stream window over 2^31-1',
    [headers(1), numberFrame(FRAME.WINDOW_UPDATE, 1, 2 ** 31 - 1)],
    CODE.FLOW_CONTROL_ERROR,
  ],
  [
    '8.1: trailers that do not end the request',
    [headers(1), headers(1, [['a', 'b']])],
    CODE.PROTOCOL_ERROR,
  ],
  [
    '8.1: a pseudo-field in trailers',
    [headers(1), headers(1, [[':path', '/']], END)],
    CODE.PROTOCOL_ERROR,
  ],
];
for (const [name, frames, code] of STREAM_ERRORS) {
  test(`RFC 9113 ${name} resets the stream, and the connection goes on`, async () => {
    client.send(...frames);
    assert.equal(await client.resetCode(1), code);
    client.send(headers(3), message(3));
    await answered(3);
  });
}

const ACCEPTED: readonly (readonly [name: string, frames: readonly Buffer[]])[] = [
  ['4.1: an unknown frame is ignored', [frame(0x99, { streamId: 7 }), headers(1), message(1)]],
  [
    '5.3: PRIORITY is ignored, on idle streams too',
    [frame(FRAME.PRIORITY, { streamId: 9, payload: Buffer.alloc(5) }), headers(1), message(1)],
  ],
  [
    '6.1: padding of DATA',
    [headers(1), part(FRAME.DATA, FLAG.PADDED | END, Buffer.from([3, 0, 0, 0, 0, 0, 9, 9, 9]))],
  ],
  [
    '6.2: priority and padding of HEADERS',
    [
      part(
        FRAME.HEADERS,
        FLAG.PADDED | FLAG.PRIORITY | FLAG.END_HEADERS,
        Buffer.concat([Buffer.from([2, 0, 0, 0, 0, 1]), block, Buffer.alloc(2)]),
      ),
      message(1),
    ],
  ],
  [
    '6.10: a header block in three frames',
    [
      part(FRAME.HEADERS, 0, block.subarray(0, 7)),
      part(FRAME.CONTINUATION, 0, block.subarray(7, 20)),
      part(FRAME.CONTINUATION, FLAG.END_HEADERS, block.subarray(20)),
      message(1),
    ],
  ],
  [
    '8.1: trailers end a request',
    [headers(1), message(1, Buffer.alloc(0), 0), headers(1, [['a', 'b']], END)],
  ],
  [
    '5.1: an empty DATA frame ends a request',
    [headers(1), message(1, Buffer.alloc(0), 0), part(FRAME.DATA, END, Buffer.alloc(0))],
  ],
  [
    'a message in many DATA frames',
    [
      headers(1),
      ...[...message(1, Buffer.from([0x0a, 2, 65, 66])).subarray(9)].map((byte, at) =>
        part(FRAME.DATA, at === 8 ? END : 0, Buffer.from([byte])),
      ),
    ],
  ],
];
for (const [name, frames] of ACCEPTED) {
  test(`RFC 9113 ${name}`, async () => {
    client.send(...frames);
    await answered(1);
  });
}

test('RFC 9113 8.1: an answer before the end of the request is followed by RST_STREAM NO_ERROR', async () => {
  client.send(headers(1, [[':path', '/nowhere'], ...without(':path')]));
  assert.equal((await client.fields(1)).get('grpc-status'), '12');
  assert.equal(await client.resetCode(1), CODE.NO_ERROR);
  client.send(message(1), headers(3), message(3));
  await answered(3);
});
