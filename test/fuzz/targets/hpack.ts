// Header blocks, several for one decoder: what is taken fits its limit, and means the same to another
// decoder and when it is encoded again. An input is blocks, each behind one octet of length.

import assert from 'node:assert/strict';
import { HpackDecoder } from '../../../src/transport/workload/hpack/hpack-decoder.ts';
import { encodeHeaders } from '../../../src/transport/workload/hpack/hpack-encoder.ts';
import { HpackError } from '../../../src/transport/workload/hpack/hpack-error.ts';
import { accepted, type FuzzTarget } from '../fuzz-target.ts';

const LIMITS = { maxListBytes: 2048 };

export const HPACK: FuzzTarget = {
  name: 'hpack',
  dictionary: [
    '\x3f\xe1\x1f',
    '\x20',
    '\x82',
    '\x86',
    '\xbe',
    '\xff\xff\xff\xff\x0f',
    '\x7f\x00',
    '\x40\x01a\x01b',
    '\x00\x85\xf2\xb2\x4a\x84\xff',
    '\x10\x03key\x05value',
    '\x41\x8c\xf1\xe3\xc2\xe5\xf2\x3a\x6b\xa0\xab\x90\xf4\xff',
  ],
  maxBytes: 4096,
  run: (input) => {
    const [one, other] = [new HpackDecoder(LIMITS), new HpackDecoder(LIMITS)];
    for (const block of blocksOf(Buffer.from(input))) {
      const list = accepted(() => one.decode(block), isHpackError);
      // Where it lies in memory makes no difference.
      const around = Buffer.concat([Buffer.from([0xff]), block, Buffer.from([0x82])]);
      const again = accepted(() => other.decode(around, 1, 1 + block.length), isHpackError);
      assert.deepEqual(again, list);
      if (list === undefined) return;
      assert.equal(list.fields !== undefined, list.bytes <= LIMITS.maxListBytes);
      checkRoundTrip(list.fields ?? []);
    }
  },
};

function checkRoundTrip(fields: readonly string[]): void {
  const pairs = Array.from(
    { length: fields.length / 2 },
    (_, index) => [fields[2 * index] ?? '', fields[2 * index + 1] ?? ''] as const,
  );
  assert.deepEqual(new HpackDecoder(LIMITS).decode(encodeHeaders(pairs)).fields, fields);
}

function* blocksOf(input: Buffer): Generator<Buffer> {
  for (let at = 0; at < input.length; ) {
    const end = at + 1 + (input[at] ?? 0);
    yield input.subarray(at + 1, end);
    at = end;
  }
}

function isHpackError(thrown: unknown): boolean {
  return thrown instanceof HpackError;
}
