// A peer that says half of something, or does not read: it is not waited for, and holds little.

import assert from 'node:assert/strict';
import { afterEach, beforeEach, test } from 'node:test';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { unchangingMessage } from '../../../../src/transport/rpc.ts';
import {
  CODE,
  FLAG,
  FRAME,
  PREFACE,
  SETTING,
} from '../../../../src/transport/workload/http2/protocol.ts';
import {
  CALL,
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
  served = await ServedSocket.start(
    {
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
    },
    { limits: { prefaceMs: 500, partMs: 500, keepaliveMs: 500, keepaliveTimeoutMs: 500 } },
  );
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
const block = headers(1).subarray(9);

const SILENCES: readonly (readonly [name: string, first: Buffer, code: number | undefined])[] = [
  ['nothing', Buffer.alloc(0), undefined],
  ['half a preface', PREFACE.subarray(0, 10), undefined],
  ['no SETTINGS', PREFACE, undefined],
  [
    'half a frame',
    Buffer.concat([PREFACE, settings(), ping.subarray(0, 12)]),
    CODE.ENHANCE_YOUR_CALM,
  ],
  [
    'half a header block',
    Buffer.concat([PREFACE, settings(), frame(FRAME.HEADERS, { streamId: 1, payload: block })]),
    CODE.ENHANCE_YOUR_CALM,
  ],
];
for (const [name, first, code] of SILENCES) {
  test(`a peer that says no more is not waited for: ${name}`, async () => {
    const silent = await served.client(first);
    if (code === undefined) await silent.closed();
    else assert.equal(await silent.goAwayCode(), code);
  });
}

test('a peer that does not answer to PING is gone', async () => {
  await client.next(FRAME.PING);
  await client.closed();
});

test('a peer that does not read is not read from, holds little, and is gone in the end', async () => {
  client.send(
    settings([SETTING.INITIAL_WINDOW_SIZE, 2 ** 31 - 1]),
    numberFrame(FRAME.WINDOW_UPDATE, 0, 2 ** 30),
  );
  await client.settled();
  const before = heldBytes();
  client.socket.pause();
  for (let id = 1; id < 120; id += 2) client.send(headers(id, STREAM_CALL), message(id));
  // A request whose body is padding for the most part: it never ends, and is no flood.
  client.send(
    headers(121),
    frame(FRAME.DATA, { streamId: 121, payload: Buffer.alloc(5, '\0\0\0\xea\0', 'latin1') }),
  );
  const padded = Buffer.alloc(257);
  padded[0] = 255;
  const chunk = times(100, () =>
    frame(FRAME.DATA, { streamId: 121, flags: FLAG.PADDED, payload: padded }),
  );
  let sent = 0;
  while (client.send(chunk) && sent < 500) {
    sent += 1;
    await new Promise((resolve) => setImmediate(resolve));
  }
  assert.ok(sent < 500, 'the server went on reading');
  assert.equal(client.socket.destroyed, false);
  assert.ok(running > 0);
  await new Promise((resolve) => setTimeout(resolve, 200));
  const grown = heldBytes() - before - client.socket.writableLength;
  assert.ok(grown < 16 * 1024 * 1024, `grown by ${grown} bytes for 60 answers of 1 MiB`);
  while (!(await isIdle())) await new Promise((resolve) => setTimeout(resolve, 50));
});

test('requests that are not complete share one memory; those beyond it are refused alone', async () => {
  const part = Buffer.alloc(16_000);
  part.writeUInt32BE(60_000, 1);
  const clients = [client, await served.client(), await served.client()];
  for (const one of clients) {
    for (let id = 1; id < 128; id += 2) {
      one.send(headers(id), frame(FRAME.DATA, { streamId: id, payload: part }));
    }
  }
  for (const one of clients.slice(1)) {
    const refused = await one.next(FRAME.HEADERS);
    assert.equal(one.decode(refused).get('grpc-status'), '8');
    await one.settled();
  }
  // What they held is there again once they are gone.
  for (const one of clients) one.destroy();
  const other = await served.client();
  let id = 1;
  let status = '';
  for (; status !== '4'; id += 2) {
    const cut = frame(FRAME.DATA, { streamId: id, payload: part });
    other.send(headers(id, [...CALL, ['grpc-timeout', '50m']]), cut, cut, cut);
    status = (await other.fields(id)).get('grpc-status') ?? '';
    assert.match(status, /^[48]$/);
  }
});

async function isIdle(): Promise<boolean> {
  return running === 0;
}

function heldBytes(): number {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  collect();
  const { heapUsed, arrayBuffers, external } = process.memoryUsage();
  return heapUsed + Math.max(arrayBuffers, external);
}
