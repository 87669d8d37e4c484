// Frames out of bytes that come in any pieces.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { FrameReader } from '../../../../src/transport/workload/http2/frame-reader.ts';
import {
  CODE,
  ConnectionError,
  FRAME,
  PREFACE,
} from '../../../../src/transport/workload/http2/protocol.ts';

type Frame = {
  readonly type: number;
  readonly flags: number;
  readonly streamId: number;
  readonly payload: Buffer;
};

function toBytes({ type, flags, streamId, payload }: Frame): Buffer {
  const header = Buffer.alloc(9);
  header.writeUIntBE(payload.length, 0, 3);
  header[3] = type;
  header[4] = flags;
  header.writeUInt32BE(streamId, 5);
  return Buffer.concat([header, payload]);
}

function readAll(chunks: readonly Buffer[], reader = new FrameReader()): Frame[] {
  const frames: Frame[] = [];
  for (const chunk of chunks) {
    reader.feed(chunk);
    while (reader.next()) {
      const { type, flags, streamId } = reader;
      const payload = Buffer.from(reader.bytes.subarray(reader.start, reader.end));
      frames.push({ type, flags, streamId, payload });
    }
  }
  return frames;
}

/** Types without a fixed length. */
const FREE_TYPES = [FRAME.DATA, FRAME.HEADERS, FRAME.SETTINGS, FRAME.CONTINUATION, 0x42];
const anyFrame: fc.Arbitrary<Frame> = fc.record(
  {
    type: fc.constantFrom(...FREE_TYPES),
    flags: fc.integer({ min: 0, max: 255 }),
    streamId: fc.integer({ min: 0, max: 0x7fffffff }),
    payload: fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes)),
  },
  { noNullPrototype: true },
);

function cut(bytes: Buffer, places: readonly number[]): Buffer[] {
  const at = [...new Set(places.map((place) => place % (bytes.length + 1)))].toSorted(
    (a, b) => a - b,
  );
  return [...at, bytes.length].map((end, index) => bytes.subarray(at[index - 1] ?? 0, end));
}

test('RFC 9113 4.1: the same frames, however the bytes are cut', () => {
  fc.assert(
    fc.property(
      fc.array(anyFrame, { maxLength: 10 }),
      fc.array(fc.nat(5000), { maxLength: 20 }),
      (frames, places) => {
        const bytes = Buffer.concat([PREFACE, ...frames.map(toBytes)]);
        assert.deepEqual(readAll(cut(bytes, places)), frames);
      },
    ),
    { numRuns: 500 },
  );
});

test('byte by byte', () => {
  const frames: Frame[] = [
    { type: FRAME.SETTINGS, flags: 0, streamId: 0, payload: Buffer.alloc(0) },
    { type: FRAME.PING, flags: 1, streamId: 0, payload: Buffer.from('12345678') },
    { type: FRAME.DATA, flags: 1, streamId: 3, payload: Buffer.alloc(1000, 7) },
  ];
  const bytes = Buffer.concat([PREFACE, ...frames.map(toBytes)]);
  const reader = new FrameReader();
  assert.deepEqual(readAll(cut(bytes, [...bytes.keys()]), reader), frames);
  assert.equal(reader.isWithin, false);
});

test('the reserved bit of a stream id is ignored', () => {
  const bytes = toBytes({ type: 0, flags: 0, streamId: 5, payload: Buffer.alloc(0) });
  bytes.writeUInt8(0x80, 5);
  assert.equal(readAll([Buffer.concat([PREFACE, bytes])])[0]?.streamId, 5);
});

test('a reader knows that it is within a frame', () => {
  const reader = new FrameReader();
  assert.equal(reader.isWithin, true);
  readAll([PREFACE], reader);
  assert.equal(reader.isWithin, false);
  readAll([Buffer.alloc(3)], reader);
  assert.equal(reader.isWithin, true);
});

const REFUSED: readonly (readonly [name: string, bytes: Buffer, code: number])[] = [
  ['RFC 9113 3.4: HTTP/1.1', Buffer.from('GET / HTTP/1.1\r\n\r\n'), CODE.PROTOCOL_ERROR],
  ['RFC 9113 4.2: a frame of 16,385 bytes', header(16_385, FRAME.DATA), CODE.FRAME_SIZE_ERROR],
  ['RFC 9113 6.3: PRIORITY of 4 bytes', header(4, FRAME.PRIORITY), CODE.FRAME_SIZE_ERROR],
  ['RFC 9113 6.4: RST_STREAM of 3 bytes', header(3, FRAME.RST_STREAM), CODE.FRAME_SIZE_ERROR],
  ['RFC 9113 6.7: PING of 7 bytes', header(7, FRAME.PING), CODE.FRAME_SIZE_ERROR],
  ['RFC 9113 6.9: WINDOW_UPDATE of 5 bytes', header(5, FRAME.WINDOW_UPDATE), CODE.FRAME_SIZE_ERROR],
];
for (const [name, bytes, code] of REFUSED) {
  test(`${name} is refused, before its payload has come`, () => {
    const isFrame = bytes.length === 9;
    for (const places of [[], [...bytes.keys()]]) {
      assert.throws(
        () => readAll(cut(isFrame ? Buffer.concat([PREFACE, bytes]) : bytes, places)),
        (thrown) => thrown instanceof ConnectionError && thrown.code === code,
      );
    }
  });
}

function header(length: number, type: number): Buffer {
  return toBytes({ type, flags: 0, streamId: 1, payload: Buffer.alloc(length) }).subarray(0, 9);
}

test('any bytes are either frames or a ConnectionError', () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 100 }), { maxLength: 10 }), (chunks) => {
      try {
        readAll([PREFACE, ...chunks.map((chunk) => Buffer.from(chunk))]);
      } catch (thrown) {
        assert.ok(thrown instanceof ConnectionError);
      }
    }),
    { numRuns: 1000 },
  );
});
