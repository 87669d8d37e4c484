// Length-prefixed messages out of a request's body (gRPC over HTTP/2, "Length-Prefixed-Message").
// A message is announced by its length, and takes memory only as it comes.

import { CodedError } from '../../../base/errors.ts';

export const PREFIX_BYTES = 5;
const FIRST_BYTES = 512;
/** What a piece that is kept costs beside its bytes. */
const PIECE_BYTES = 128;

/** What requests keep while they are not complete; what a part takes, its whole takes too. */
export class RequestMemory {
  readonly #max: number;
  readonly #whole: RequestMemory | undefined;
  #used = 0;

  constructor(max: number, whole?: RequestMemory) {
    this.#max = max;
    this.#whole = whole;
  }

  get used(): number {
    return this.#used;
  }

  /** Throws `resource-exhausted` when there is no more. */
  take(bytes: number): void {
    if (this.#used + bytes > this.#max) {
      throw new CodedError('resource-exhausted', 'too many requests are incomplete');
    }
    this.#whole?.take(bytes);
    this.#used += bytes;
  }

  giveBack(bytes: number): void {
    this.#used -= bytes;
    this.#whole?.giveBack(bytes);
  }
}

export type MessageReaderOptions = {
  readonly maxBytes: number;
  readonly memory: RequestMemory;
  /** A message, as a part of the bytes it came in or of its own; `isOwn` says which. */
  readonly onMessage: (message: Buffer, isOwn: boolean) => void;
};

export class MessageReader {
  readonly #options: MessageReaderOptions;
  /** The prefix, then prefix and message, as far as they have come. */
  #kept: Buffer | undefined;
  #filled = 0;
  #charged = 0;

  constructor(options: MessageReaderOptions) {
    this.#options = options;
  }

  /** Whether the body may not end here. */
  get isWithin(): boolean {
    return this.#kept !== undefined;
  }

  /** Throws a CodedError for what is too large or cannot be read. */
  read(bytes: Buffer): void {
    let at = 0;
    while (at < bytes.length) {
      if (this.#kept !== undefined) {
        at = this.#keep(this.#kept, bytes, at);
        continue;
      }
      const left = bytes.length - at;
      const length = left < PREFIX_BYTES ? -1 : this.#length(bytes, at);
      if (length !== -1 && left >= PREFIX_BYTES + length) {
        const start = at + PREFIX_BYTES;
        at = start + length;
        this.#options.onMessage(bytes.subarray(start, at), false);
        continue;
      }
      this.#grow(Math.min(PREFIX_BYTES + Math.max(0, length), FIRST_BYTES));
    }
  }

  /** Forgets what is incomplete. */
  release(): void {
    this.#options.memory.giveBack(this.#charged);
    this.#charged = 0;
    this.#kept = undefined;
    this.#filled = 0;
  }

  #keep(kept: Buffer, bytes: Buffer, from: number): number {
    const isPrefix = this.#filled < PREFIX_BYTES;
    const whole = isPrefix ? PREFIX_BYTES : PREFIX_BYTES + this.#length(kept, 0);
    if (kept.length < whole && this.#filled === kept.length) {
      this.#grow(Math.min(whole, Math.max(FIRST_BYTES, kept.length * 2)));
      return from;
    }
    const end = Math.min(whole, kept.length);
    const take = Math.min(end - this.#filled, bytes.length - from);
    kept.set(bytes.subarray(from, from + take), this.#filled);
    this.#filled += take;
    if (this.#filled >= PREFIX_BYTES && this.#filled === PREFIX_BYTES + this.#length(kept, 0)) {
      const message = kept.subarray(PREFIX_BYTES, this.#filled);
      this.release();
      this.#options.onMessage(message, true);
    }
    return from + take;
  }

  #grow(bytes: number): void {
    const cost = bytes + PIECE_BYTES - this.#charged;
    this.#options.memory.take(cost);
    this.#charged += cost;
    const grown = Buffer.allocUnsafeSlow(bytes);
    if (this.#kept !== undefined) grown.set(this.#kept);
    this.#kept = grown;
  }

  #length(bytes: Buffer, at: number): number {
    if (bytes[at] === 1) {
      throw new CodedError('unimplemented', 'compressed messages are not read');
    }
    if (bytes[at] !== 0) throw new CodedError('internal', 'a message flag that is neither 0 nor 1');
    const length = bytes.readUInt32BE(at + 1);
    const { maxBytes } = this.#options;
    if (length > maxBytes) {
      throw new CodedError('resource-exhausted', `message: over ${maxBytes} bytes`);
    }
    return length;
  }
}
