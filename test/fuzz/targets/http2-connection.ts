// A whole workload server that meets bytes on one connection, with other connections before and
// after. What it says is frames; how much it says is bounded by what it was asked.

import assert from 'node:assert/strict';
import { Duplex } from 'node:stream';
import { CodedError } from '../../../src/base/errors.ts';
import { SpiffeWorkloadAPI } from '../../../src/transport/gen/spiffe/workload_pb.ts';
import { bindService, type Call } from '../../../src/transport/rpc.ts';
import { HpackDecoder } from '../../../src/transport/workload/hpack/hpack-decoder.ts';
import { FrameReader } from '../../../src/transport/workload/http2/frame-reader.ts';
import { FRAME } from '../../../src/transport/workload/http2/protocol.ts';
import { WorkloadServer } from '../../../src/transport/workload/workload-server.ts';
import type { FuzzTarget } from '../fuzz-target.ts';
import { FRAME_TOKENS } from './http2-frames.ts';

const TURNS = 3;
const FIXED_ANSWER_BYTES = 4096;
/** A request of some ten octets, its header block known, gets a message of a kilobyte. */
const MOST_TIMES = 400;

export const HTTP2_CONNECTION: FuzzTarget = {
  name: 'http2-connection',
  dictionary: FRAME_TOKENS,
  maxBytes: 20_000,
  run: async (input) => {
    const connection = new MemoryConnection();
    server.accept(connection);
    // In two pieces: most frames are whole, one is cut.
    const middle = input.length >> 1;
    connection.push(Buffer.from(input.subarray(0, middle)));
    connection.push(Buffer.from(input.subarray(middle)));
    for (let turn = 0; turn < TURNS; turn += 1) {
      await new Promise<void>((resolve) => setImmediate(resolve));
    }
    checkFrames(connection.said);
    assert.ok(connection.said.length <= FIXED_ANSWER_BYTES + MOST_TIMES * input.length);
    connection.destroy();
    if (!connection.closed) await new Promise<void>((resolve) => connection.once('close', resolve));
  },
};

class MemoryConnection extends Duplex {
  readonly #said: Buffer[] = [];

  get said(): Buffer {
    return Buffer.concat(this.#said);
  }

  override _read(): void {}

  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    this.#said.push(chunk);
    done();
  }
}

async function* svids(_request: unknown, { signal }: Call) {
  yield { svids: [{ spiffeId: 'spiffe://example.org/a', x509Svid: new Uint8Array(1000) }] };
  await new Promise<void>((resolve) => {
    signal.addEventListener('abort', () => resolve(), { once: true });
  });
}

function refused(): never {
  throw new CodedError('permission-denied', 'no identity issued: NoPolicy');
}

const server = new WorkloadServer({
  services: [
    bindService(SpiffeWorkloadAPI, {
      fetchX509SVID: svids,
      fetchX509Bundles: () => refused(),
      fetchJWTBundles: () => refused(),
      fetchJWTSVID: async ({ audience }) => ({ svids: [{ svid: audience.join() }] }),
      validateJWTSVID: async () => refused(),
      fetchWITSVID: () => refused(),
      fetchWITBundles: () => refused(),
    }),
  ],
});

function checkFrames(said: Buffer): void {
  const reader = new FrameReader({ preface: false });
  const decoder = new HpackDecoder({ maxListBytes: 65_536 });
  reader.feed(said);
  while (reader.next()) {
    const { type, bytes, start, end } = reader;
    if (type === FRAME.HEADERS) assert.ok(decoder.decode(bytes, start, end).fields !== undefined);
  }
  assert.ok(!reader.isWithin);
}
