// Frames to bytes. What is said within one turn of the event loop leaves in one write; large
// payloads go as they are, beside it. Nothing is held for a connection that has said all.

import type { Duplex } from 'node:stream';
import { FRAME, FRAME_HEADER_BYTES } from './protocol.ts';

const SCRATCH_BYTES = 16 * 1024;
/** Larger payloads are not copied. */
const COPY_BYTES = 4096;
/** More than this is not held back until the end of the turn. */
const FLUSH_BYTES = 64 * 1024;
const MAX_SPARE = 4;

/** Where frames are put together: connections borrow one while they have something to say. */
const spare: Buffer[] = [];

export class FrameWriter {
  readonly #connection: Duplex;
  #scratch: Buffer | undefined;
  #used = 0;
  /** What goes before the bytes in `#scratch`. */
  #sealed: Buffer[] = [];
  #sealedBytes = 0;
  #isScheduled = false;

  constructor(connection: Duplex) {
    this.#connection = connection;
  }

  /** Whether the peer has not read yet what was written: then data has to wait. */
  get isCongested(): boolean {
    return this.#connection.writableNeedDrain;
  }

  /** A frame whose payload is copied, of at most 4 KiB. `kind` is its type and flags in two bytes. */
  frame(kind: number, streamId: number, payload: Uint8Array): void {
    if (payload.length > COPY_BYTES) throw new RangeError('a payload over 4 KiB is not copied');
    const at = this.#begin(kind, streamId, payload.length);
    (this.#scratch as Buffer).set(payload, at);
    this.#schedule();
  }

  /** A frame of one number of 32 bits: RST_STREAM, WINDOW_UPDATE. */
  number(type: number, streamId: number, value: number): void {
    const at = this.#begin(type << 8, streamId, 4);
    writeUint32(this.#scratch as Buffer, at, value);
    this.#schedule();
  }

  /** DATA. The bytes must never change: they may be written later. */
  data(streamId: number, bytes: Buffer): void {
    if (bytes.length <= COPY_BYTES) {
      this.frame(FRAME.DATA << 8, streamId, bytes);
      return;
    }
    this.#begin(FRAME.DATA << 8, streamId, bytes.length);
    this.#seal();
    this.#sealed.push(bytes);
    this.#sealedBytes += bytes.length;
    if (this.#sealedBytes > FLUSH_BYTES) this.flush();
    else this.#schedule();
  }

  /** Writes what was said so far. */
  readonly flush = (): void => {
    this.#isScheduled = false;
    this.#seal();
    this.#release();
    const parts = this.#sealed;
    if (parts.length === 0) return;
    this.#sealed = [];
    this.#sealedBytes = 0;
    const connection = this.#connection;
    if (connection.destroyed || connection.writableEnded) return;
    if (parts.length === 1) {
      connection.write(parts[0]);
      return;
    }
    connection.cork();
    for (const part of parts) connection.write(part);
    connection.uncork();
  };

  // A tick that is asked for by a microtask comes after all other microtasks: the answers of
  // handlers that had all they need are in the same write as what was said before.
  readonly #tick = (): void => process.nextTick(this.flush);

  #schedule(): void {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    queueMicrotask(this.#tick);
  }

  /** Writes the header of a frame; gives the place of its payload, if that is to be copied. */
  #begin(kind: number, streamId: number, length: number): number {
    const bytes = FRAME_HEADER_BYTES + (length > COPY_BYTES ? 0 : length);
    if (this.#scratch !== undefined && this.#used + bytes > SCRATCH_BYTES) this.#seal();
    this.#scratch ??= spare.pop() ?? Buffer.allocUnsafeSlow(SCRATCH_BYTES);
    const scratch = this.#scratch;
    const at = this.#used;
    scratch[at] = length >>> 16;
    scratch[at + 1] = (length >>> 8) & 0xff;
    scratch[at + 2] = length & 0xff;
    scratch[at + 3] = kind >>> 8;
    scratch[at + 4] = kind & 0xff;
    writeUint32(scratch, at + 5, streamId);
    this.#used = at + bytes;
    return at + FRAME_HEADER_BYTES;
  }

  #seal(): void {
    if (this.#used === 0) return;
    const part = Buffer.allocUnsafe(this.#used);
    part.set((this.#scratch as Buffer).subarray(0, this.#used));
    this.#sealed.push(part);
    this.#sealedBytes += this.#used;
    this.#used = 0;
  }

  #release(): void {
    if (this.#scratch === undefined) return;
    if (spare.length < MAX_SPARE) spare.push(this.#scratch);
    this.#scratch = undefined;
  }
}

function writeUint32(bytes: Buffer, at: number, value: number): void {
  bytes[at] = value >>> 24;
  bytes[at + 1] = (value >>> 16) & 0xff;
  bytes[at + 2] = (value >>> 8) & 0xff;
  bytes[at + 3] = value & 0xff;
}
