// The streams of one connection: which are open, which were, and what they share (RFC 9113 §5.1).

import { EMPTY_TABLE } from '../hpack/hpack-encoder.ts';
import type { FrameWriter } from './frame-writer.ts';
import { Budget, type Limits } from './limits.ts';
import type { PeerSettings } from './peer-settings.ts';
import { CODE, ConnectionError, DEFAULT_WINDOW, FRAME, MAX_WINDOW } from './protocol.ts';
import { Http2Stream, type StreamHost } from './stream.ts';
import { monotonicNow } from './ticker.ts';

/** A DATA frame of ours is answered by window updates, and by some clients by a PING. */
const CONTROL_PER_DATA = 4;
const GIVE_BACK_AT = DEFAULT_WINDOW >>> 1;

export type StreamTableOptions = {
  readonly limits: Limits;
  readonly writer: FrameWriter;
  readonly settings: PeerSettings;
  /** Told when the last open stream is gone. */
  readonly onIdle: () => void;
};

export class StreamTable implements StreamHost {
  readonly writer: FrameWriter;
  readonly #limits: Limits;
  readonly #settings: PeerSettings;
  readonly #onIdle: () => void;
  readonly #open = new Map<number, Http2Stream>();
  readonly #waiting = new Set<Http2Stream>();
  readonly #resets: Budget;
  readonly #control: Budget;
  #receiveWindow = DEFAULT_WINDOW;
  #consumed = 0;
  /** Handlers at work, also those whose streams are closed. */
  #calls = 0;
  sendWindow = DEFAULT_WINDOW;
  /** The highest id that the peer has used. */
  highest = 0;
  /** Streams above this are not served any more: the peer was told so. */
  lastServed: number = Number.POSITIVE_INFINITY;

  constructor(options: StreamTableOptions) {
    this.writer = options.writer;
    this.#limits = options.limits;
    this.#settings = options.settings;
    this.#onIdle = options.onIdle;
    const now = monotonicNow();
    this.#resets = new Budget(options.limits.resets, now);
    this.#control = new Budget(options.limits.control, now);
  }

  get size(): number {
    return this.#open.size;
  }

  get(id: number): Http2Stream | undefined {
    return this.#open.get(id);
  }

  /** A new stream; undefined when it is refused, which clients may try again (§8.7). */
  open(id: number): Http2Stream | undefined {
    if (this.#open.size >= this.#limits.maxStreams || this.#calls >= this.#limits.maxCalls) {
      this.refuse(id, CODE.REFUSED_STREAM);
      return undefined;
    }
    const stream = new Http2Stream(id, this, this.#settings.initialWindow);
    this.#open.set(id, stream);
    this.#calls += 1;
    return stream;
  }

  /** The handler of a stream is done. */
  readonly callEnded = (): void => {
    this.#calls -= 1;
  };

  /** Resets a stream for what its peer did. Whoever makes us do this often is sent away. */
  refuse(id: number, code: number): void {
    this.#spendReset();
    this.writer.number(FRAME.RST_STREAM, id, code);
    this.#open.get(id)?.abort();
  }

  /** RST_STREAM of the peer. */
  reset(id: number): void {
    const stream = this.#open.get(id);
    if (stream === undefined) {
      this.requireUsed(id);
      this.spendControl();
      return;
    }
    // Whoever takes an answer and then leaves has used the server as it is meant.
    if (!stream.isAnswered) this.#spendReset();
    stream.abort();
  }

  /** §5.1: nothing but HEADERS and PRIORITY may come for a stream that was never there. */
  requireUsed(id: number): void {
    if (id > this.highest || (id & 1) === 0) {
      throw new ConnectionError(CODE.PROTOCOL_ERROR, 'a frame for an idle stream');
    }
  }

  /** DATA that comes after the stream's end: it may have been on its way. */
  receivedLate(id: number): void {
    this.requireUsed(id);
    this.spendControl();
    if (id <= this.lastServed) this.writer.number(FRAME.RST_STREAM, id, CODE.STREAM_CLOSED);
  }

  /** A frame that costs its sender nothing. */
  spendControl(): void {
    if (this.#control.spend(monotonicNow())) return;
    throw new ConnectionError(CODE.ENHANCE_YOUR_CALM, 'too many control frames');
  }

  #spendReset(): void {
    if (this.#resets.spend(monotonicNow())) return;
    throw new ConnectionError(CODE.ENHANCE_YOUR_CALM, 'too many streams given up');
  }

  /** DATA has come, for whichever stream: it is given back to the connection at once. */
  received(frameBytes: number): void {
    this.#receiveWindow -= frameBytes;
    if (this.#receiveWindow < 0) {
      throw new ConnectionError(CODE.FLOW_CONTROL_ERROR, 'more data than the connection may send');
    }
    this.#consumed += frameBytes;
    if (this.#consumed < GIVE_BACK_AT) return;
    this.writer.number(FRAME.WINDOW_UPDATE, 0, this.#consumed);
    this.#receiveWindow += this.#consumed;
    this.#consumed = 0;
  }

  windowUpdate(id: number, increment: number): void {
    this.spendControl();
    if (id === 0) {
      if (increment === 0) throw new ConnectionError(CODE.PROTOCOL_ERROR, 'an increment of 0');
      this.sendWindow += increment;
      if (this.sendWindow > MAX_WINDOW) {
        throw new ConnectionError(CODE.FLOW_CONTROL_ERROR, 'a window over 2^31-1');
      }
      this.resumeWaiting();
      return;
    }
    const stream = this.#open.get(id);
    if (stream === undefined) this.requireUsed(id);
    else if (increment === 0) this.refuse(id, CODE.PROTOCOL_ERROR);
    else if (!stream.growWindow(increment)) this.refuse(id, CODE.FLOW_CONTROL_ERROR);
  }

  /** The peer's INITIAL_WINDOW_SIZE changed: so does the window of every stream (§6.9.2). */
  growWindows(by: number): void {
    for (const stream of this.#open.values()) {
      if (stream.growWindow(by)) continue;
      throw new ConnectionError(CODE.FLOW_CONTROL_ERROR, 'a window over 2^31-1');
    }
  }

  /** The connection takes data again. */
  resumeWaiting(): void {
    // Each that still cannot go on is put at the end.
    const waiting = [...this.#waiting];
    this.#waiting.clear();
    for (const stream of waiting) stream.resume();
  }

  abortAll(): void {
    for (const stream of this.#open.values()) stream.abort();
  }

  shutdownAll(): void {
    for (const stream of this.#open.values()) stream.shutdown();
  }

  // What streams ask of their connection.

  wait(stream: Http2Stream): void {
    this.#waiting.add(stream);
  }

  sentData(): void {
    this.#control.earn(CONTROL_PER_DATA);
  }

  writeHeaders(kind: number, streamId: number, block: Buffer): void {
    if (!this.#settings.isTableReduced) {
      this.writer.frame(kind, streamId, block);
      return;
    }
    this.#settings.isTableReduced = false;
    this.writer.frame(kind, streamId, Buffer.concat([EMPTY_TABLE, block]));
  }

  closed(stream: Http2Stream): void {
    this.#open.delete(stream.id);
    this.#waiting.delete(stream);
    if (this.#open.size === 0) this.#onIdle();
  }
}
