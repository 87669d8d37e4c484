// Bytes to frames, however they are cut (RFC 9113 §4.1). A frame that came whole is read where it
// lies; only one that is cut is put together. No object is made for a frame: its parts are fields.

import {
  CODE,
  ConnectionError,
  FRAME,
  FRAME_HEADER_BYTES,
  MIN_MAX_FRAME_BYTES,
  PREFACE,
} from './protocol.ts';

/** Of frames whose length is fixed (§6.3, §6.4, §6.7, §6.9); the others have -1. */
const FIXED_LENGTHS: readonly number[] = [-1, -1, 5, 4, -1, -1, 8, -1, 4, -1];

const EMPTY: Buffer = Buffer.alloc(0);

export class FrameReader {
  /** The frame that `next` found; its payload lies in `bytes` from `start` to `end`. */
  type = 0;
  flags = 0;
  streamId = 0;
  bytes: Buffer = EMPTY;
  start = 0;
  end = 0;

  #chunk: Buffer = EMPTY;
  #at = 0;
  /** A cut frame: first its header, then all of it. */
  #cut: Buffer | undefined;
  #filled = 0;
  #prefaceLeft: number;

  /** A client's bytes begin with the preface (§3.4). */
  constructor(options: { readonly preface: boolean } = { preface: true }) {
    this.#prefaceLeft = options.preface ? PREFACE.length : 0;
  }

  /** Whether bytes of a frame, or of the preface, are still to come. */
  get isWithin(): boolean {
    return this.#cut !== undefined || this.#prefaceLeft > 0;
  }

  get isPrefaceRead(): boolean {
    return this.#prefaceLeft === 0;
  }

  /** Gives it bytes; all frames of the bytes before must have been taken. */
  feed(chunk: Buffer): void {
    this.#chunk = chunk;
    this.#at = 0;
  }

  /** Goes to the next frame; false when more bytes are needed. Throws `ConnectionError`. */
  next(): boolean {
    if (this.#prefaceLeft > 0 && !this.#readPreface()) return false;
    if (this.#cut !== undefined) return this.#assemble(this.#cut);
    const left = this.#chunk.length - this.#at;
    if (left >= FRAME_HEADER_BYTES) {
      const length = this.#readHeader(this.#chunk, this.#at);
      if (left >= FRAME_HEADER_BYTES + length) {
        this.bytes = this.#chunk;
        this.start = this.#at + FRAME_HEADER_BYTES;
        this.end = this.start + length;
        this.#at = this.end;
        return true;
      }
    }
    if (left > 0) {
      this.#filled = 0;
      this.#cut = Buffer.allocUnsafe(FRAME_HEADER_BYTES);
      return this.#assemble(this.#cut);
    }
    this.#release();
    return false;
  }

  #assemble(cut: Buffer): boolean {
    if (!this.#fill(cut)) return false;
    const length = this.#readHeader(cut, 0);
    let whole = cut;
    if (cut.length < FRAME_HEADER_BYTES + length) {
      whole = Buffer.allocUnsafe(FRAME_HEADER_BYTES + length);
      whole.set(cut);
      this.#cut = whole;
      if (!this.#fill(whole)) return false;
    }
    this.#cut = undefined;
    this.bytes = whole;
    this.start = FRAME_HEADER_BYTES;
    this.end = whole.length;
    return true;
  }

  #fill(cut: Buffer): boolean {
    const take = Math.min(cut.length - this.#filled, this.#chunk.length - this.#at);
    cut.set(this.#chunk.subarray(this.#at, this.#at + take), this.#filled);
    this.#filled += take;
    this.#at += take;
    if (this.#filled === cut.length) return true;
    this.#release();
    return false;
  }

  /** What has been read is not to be kept alive by a reader that waits. */
  #release(): void {
    this.#chunk = EMPTY;
    this.bytes = EMPTY;
    this.#at = 0;
  }

  #readHeader(bytes: Buffer, at: number): number {
    const length =
      ((bytes[at] as number) << 16) | ((bytes[at + 1] as number) << 8) | (bytes[at + 2] as number);
    this.type = bytes[at + 3] as number;
    this.flags = bytes[at + 4] as number;
    // The first bit is reserved and ignored.
    this.streamId =
      (((bytes[at + 5] as number) & 0x7f) << 24) |
      ((bytes[at + 6] as number) << 16) |
      ((bytes[at + 7] as number) << 8) |
      (bytes[at + 8] as number);
    if (length > MIN_MAX_FRAME_BYTES) {
      throw new ConnectionError(CODE.FRAME_SIZE_ERROR, 'a frame over 16,384 bytes');
    }
    const fixed = this.type <= FRAME.CONTINUATION ? (FIXED_LENGTHS[this.type] as number) : -1;
    if (fixed !== -1 && length !== fixed) {
      throw new ConnectionError(CODE.FRAME_SIZE_ERROR, 'a frame of a wrong length');
    }
    return length;
  }

  #readPreface(): boolean {
    while (this.#prefaceLeft > 0 && this.#at < this.#chunk.length) {
      if (this.#chunk[this.#at] !== PREFACE[PREFACE.length - this.#prefaceLeft]) {
        throw new ConnectionError(CODE.PROTOCOL_ERROR, 'not an HTTP/2 client');
      }
      this.#at += 1;
      this.#prefaceLeft -= 1;
    }
    if (this.#prefaceLeft === 0) return true;
    this.#release();
    return false;
  }
}
