// HTTP/2 frames: however the bytes are cut, the same frames and the same end.

import assert from 'node:assert/strict';
import { FrameReader } from '../../../src/transport/workload/http2/frame-reader.ts';
import { ConnectionError } from '../../../src/transport/workload/http2/protocol.ts';
import type { FuzzTarget } from '../fuzz-target.ts';

export const FRAME_TOKENS: readonly string[] = [
  'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n',
  '\0\0\0\x04\0\0\0\0\0',
  '\0\0\0\x04\x01\0\0\0\0',
  '\0\0\x06\x04\0\0\0\0\0\0\x04\0\0\0\0',
  '\0\0\x08\x06\0\0\0\0\0\0\0\0\0\0\0\0\0',
  '\0\0\x04\x08\0\0\0\0\0\0\0\xff\xff',
  '\0\0\x04\x08\0\0\0\0\x01\x7f\xff\xff\xff',
  '\0\0\x04\x03\0\0\0\0\x01\0\0\0\x08',
  '\0\0\x05\x02\0\0\0\0\x01\0\0\0\0\x10',
  '\0\0\x08\x07\0\0\0\0\0\0\0\0\0\0\0\0\0',
  '\0\0\x05\0\x01\0\0\0\x01\0\0\0\0\0',
  '\0\0\x01\x09\x04\0\0\0\x01\x82',
  '\0\0\x01\x01\x05\0\0\0\x03\x82',
  '\0\x40\0',
];

export const HTTP2_FRAMES: FuzzTarget = {
  name: 'http2-frames',
  dictionary: FRAME_TOKENS,
  maxBytes: 40_000,
  run: (input) => {
    const whole = read([Buffer.from(input)]);
    const step = 1 + ((input[input.length >> 1] ?? 0) % 40);
    const pieces: Buffer[] = [];
    for (let at = 0; at < input.length; at += step) {
      pieces.push(Buffer.from(input.subarray(at, at + step)));
    }
    assert.deepEqual(read(pieces), whole);
  },
};

/** What is read; of a frame its header and the sum of its octets. */
function read(pieces: readonly Buffer[]): readonly unknown[] {
  const reader = new FrameReader();
  const found: unknown[] = [];
  try {
    for (const piece of pieces) {
      reader.feed(piece);
      while (reader.next()) {
        const { type, flags, streamId, bytes, start, end } = reader;
        let sum = 0;
        for (let at = start; at < end; at += 1) sum += bytes[at] ?? Number.NaN;
        found.push([type, flags, streamId, end - start, sum]);
      }
    }
  } catch (thrown) {
    if (!(thrown instanceof ConnectionError)) throw thrown;
    found.push(thrown.code, thrown.message);
  }
  return found;
}
