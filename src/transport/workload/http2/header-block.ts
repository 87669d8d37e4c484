// A header block, put together from HEADERS and CONTINUATION (RFC 9113 §4.3, §6.10). It is bounded
// while it comes: its bytes, and the frames it is cut into.

import { type HeaderList, HpackDecoder } from '../hpack/hpack-decoder.ts';
import { HpackError } from '../hpack/hpack-error.ts';
import type { Limits } from './limits.ts';
import { CODE, ConnectionError } from './protocol.ts';

export class HeaderBlocks {
  readonly #limits: Limits;
  readonly #decoder: HpackDecoder;
  #parts: Buffer[] = [];
  #bytes = 0;
  /** The stream whose block is on its way; 0 when there is none. */
  streamId = 0;
  /** Whether that block ends the request. */
  endsStream = false;

  constructor(limits: Limits) {
    this.#limits = limits;
    this.#decoder = new HpackDecoder({ maxListBytes: limits.maxHeaderBytes });
  }

  /** Unchanged as long as the same bytes mean the same fields. */
  get generation(): number {
    return this.#decoder.generation;
  }

  begin(streamId: number, endsStream: boolean): void {
    this.streamId = streamId;
    this.endsStream = endsStream;
    this.#bytes = 0;
  }

  /** Keeps a part of a block that goes on. */
  add(part: Buffer): void {
    this.#bytes += part.length;
    if (this.#bytes > this.#limits.maxHeaderBytes) {
      throw new ConnectionError(CODE.ENHANCE_YOUR_CALM, 'a header block over 8 KiB');
    }
    if (this.#parts.length > this.#limits.maxContinuations) {
      throw new ConnectionError(CODE.ENHANCE_YOUR_CALM, 'a header block in too many frames');
    }
    this.#parts.push(Buffer.from(part));
  }

  /** The whole block, with its last part. */
  finish(part: Buffer): Buffer {
    this.streamId = 0;
    if (this.#bytes + part.length > this.#limits.maxHeaderBytes) {
      throw new ConnectionError(CODE.ENHANCE_YOUR_CALM, 'a header block over 8 KiB');
    }
    if (this.#parts.length === 0) return part;
    const block = Buffer.concat([...this.#parts, part]);
    this.#parts = [];
    return block;
  }

  /** Every block has to be decoded, also that of a request which is refused: it changes the table. */
  decode(block: Buffer): HeaderList {
    try {
      const list = this.#decoder.decode(block);
      if (list.bytes > this.#limits.maxHeaderBombBytes) {
        throw new ConnectionError(CODE.ENHANCE_YOUR_CALM, 'a header list that grows too large');
      }
      return list;
    } catch (thrown) {
      if (!(thrown instanceof HpackError)) throw thrown;
      throw new ConnectionError(CODE.COMPRESSION_ERROR, thrown.message);
    }
  }
}

/** The bytes between `skip` and the padding of a frame (§6.1, §6.2); none may be missing. */
export function withoutPadding(payload: Buffer, isPadded: boolean, skip = 0): Buffer {
  if (isPadded && payload.length === 0) {
    throw new ConnectionError(CODE.FRAME_SIZE_ERROR, 'a padded frame without a padding length');
  }
  const start = skip + (isPadded ? 1 : 0);
  const end = payload.length - (isPadded ? (payload[0] as number) : 0);
  if (start > end) throw new ConnectionError(CODE.PROTOCOL_ERROR, 'more padding than payload');
  return start === 0 && end === payload.length ? payload : payload.subarray(start, end);
}
