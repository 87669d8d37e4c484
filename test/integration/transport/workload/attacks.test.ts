// A peer that means harm: the connection ends with the right code, what it held is given back, and
// other connections do not notice.

import assert from 'node:assert/strict';
import { afterEach, beforeEach, test } from 'node:test';
import { unchangingMessage } from '../../../../src/transport/rpc.ts';
import { CODE, FLAG, FRAME, SETTING } from '../../../../src/transport/workload/http2/protocol.ts';
import {
  CALL,
  END,
  frame,
  headers,
  message,
  numberFrame,
  type RawClient,
  ServedSocket,
  STREAM_CALL,
  settings,
} from './h2-harness.ts';

const LARGE = unchangingMessage({ bundles: { a: Buffer.alloc(1024 * 1024, 1) } });

let served: ServedSocket;
let client: RawClient;
let running = 0;
beforeEach(async () => {
  running = 0;
  served = await ServedSocket.start({
    validateJWTSVID: async () => ({}),
    fetchX509Bundles: async function* (_request, call) {
      running += 1;
      try {
        yield LARGE;
        await new Promise((resolve) => call.signal.addEventListener('abort', resolve));
      } finally {
        running -= 1;
      }
    },
  });
  client = await served.client();
});
afterEach(async () => {
  // Whatever became of the attacker, others are served.
  const other = await served.client();
  other.send(headers(1), message(1));
  await other.next(FRAME.DATA, 1);
  await served.stop();
  assert.equal(running, 0);
});

const times = (count: number, make: (at: number) => Buffer): Buffer =>
  Buffer.concat(Array.from({ length: count }, (_, at) => make(at)));
const ping = frame(FRAME.PING, { payload: Buffer.alloc(8) });
const emptyPart = frame(FRAME.CONTINUATION, { streamId: 1 });
const opened = Buffer.concat([headers(1, STREAM_CALL)]);
const block = headers(1).subarray(9);

const FLOODS: readonly (readonly [name: string, bytes: Buffer])[] = [
  [
    'rapid reset',
    times(500, (at) =>
      Buffer.concat([headers(at * 2 + 1), numberFrame(FRAME.RST_STREAM, at * 2 + 1, CODE.CANCEL)]),
    ),
  ],
  [
    'resets that the server is made to send',
    times(500, (at) =>
      Buffer.concat([headers(at * 2 + 1), numberFrame(FRAME.WINDOW_UPDATE, at * 2 + 1, 0)]),
    ),
  ],
  ['malformed requests', times(500, (at) => headers(at * 2 + 1, [[':path', '/']], END))],
  ['streams beyond the limit', times(500, (at) => headers(at * 2 + 1, STREAM_CALL))],
  ['PING', times(5000, () => ping)],
  ['SETTINGS', times(5000, () => settings([SETTING.INITIAL_WINDOW_SIZE, 1]))],
  ['acknowledgements of nothing', times(5000, () => frame(FRAME.SETTINGS, { flags: FLAG.ACK }))],
  [
    'PRIORITY',
    times(5000, (at) => frame(FRAME.PRIORITY, { streamId: at * 2 + 1, payload: Buffer.alloc(5) })),
  ],
  ['WINDOW_UPDATE', times(5000, () => numberFrame(FRAME.WINDOW_UPDATE, 0, 1))],
  [
    'WINDOW_UPDATE of a stream',
    Buffer.concat([opened, times(5000, () => numberFrame(FRAME.WINDOW_UPDATE, 1, 1))]),
  ],
  ['empty DATA', Buffer.concat([opened, times(5000, () => frame(FRAME.DATA, { streamId: 1 }))])],
  [
    'padding alone',
    Buffer.concat([
      opened,
      times(5000, () =>
        frame(FRAME.DATA, { streamId: 1, flags: FLAG.PADDED, payload: Buffer.from([1, 0]) }),
      ),
    ]),
  ],
  [
    'DATA of a closed stream',
    Buffer.concat([
      headers(1, CALL, END),
      numberFrame(FRAME.RST_STREAM, 1, 8),
      times(5000, () => message(1)),
    ]),
  ],
  ['unknown frames', times(5000, () => frame(0x99))],
  [
    'GOAWAY',
    Buffer.concat([opened, times(5000, () => frame(FRAME.GOAWAY, { payload: Buffer.alloc(8) }))]),
  ],
  [
    'CONTINUATION of nothing more',
    Buffer.concat([
      frame(FRAME.HEADERS, { streamId: 1, payload: block }),
      times(5000, () => emptyPart),
    ]),
  ],
  [
    'CONTINUATION without an end',
    Buffer.concat([
      frame(FRAME.HEADERS, { streamId: 1, payload: block }),
      times(20, () =>
        frame(FRAME.CONTINUATION, { streamId: 1, payload: Buffer.alloc(4096, 0x82) }),
      ),
    ]),
  ],
  [
    'a header block of 16 KiB in one frame',
    frame(FRAME.HEADERS, {
      streamId: 1,
      flags: FLAG.END_HEADERS,
      payload: Buffer.alloc(16_384, 0x82),
    }),
  ],
  ['a header bomb', headerBomb()],
  [
    'SETTINGS of a thousand entries',
    settings(...Array.from({ length: 1000 }, (): [number, number] => [0x99, 1])),
  ],
];
for (const [name, bytes] of FLOODS) {
  test(`a flood is ended with ENHANCE_YOUR_CALM: ${name}`, async () => {
    client.send(bytes);
    assert.equal(await client.goAwayCode(), CODE.ENHANCE_YOUR_CALM);
  });
}

/** 4 KB into the table, and then two bytes that stand for them, again and again. */
function headerBomb(): Buffer {
  const entry = Buffer.concat([
    Buffer.from([0x40, 1, 0x61, 0x7f, 0x81, 0x1e]),
    Buffer.alloc(4000, 0x78),
  ]);
  const payload = Buffer.concat([entry, Buffer.alloc(4000, 0xbe)]);
  return frame(FRAME.HEADERS, { streamId: 1, flags: FLAG.END_HEADERS, payload });
}

test('frames that real clients send with what they are answered are no flood', async () => {
  for (let at = 0; at < 2000; at += 1) {
    const id = at * 2 + 1;
    client.send(headers(id), message(id), ping, numberFrame(FRAME.WINDOW_UPDATE, 0, 100));
    if (at % 20 === 0) await client.next(FRAME.DATA, id);
  }
  await client.settled();
});

test('streams that are read and then given up are no flood', async () => {
  client.send(
    numberFrame(FRAME.WINDOW_UPDATE, 0, 2 ** 30),
    settings([SETTING.INITIAL_WINDOW_SIZE, 100]),
  );
  for (let at = 0; at < 150; at += 1) {
    client.send(headers(at * 2 + 1, STREAM_CALL), message(at * 2 + 1));
    await client.next(FRAME.DATA, at * 2 + 1);
    client.send(numberFrame(FRAME.RST_STREAM, at * 2 + 1, CODE.CANCEL));
  }
  await client.settled();
});
