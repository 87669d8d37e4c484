// One stream: what is left of a message to send, how much the peer takes of it, and how much more it
// may send (RFC 9113 §5.1, §5.2). It is small, because most streams are idle most of the time.

import type { FrameWriter } from './frame-writer.ts';
import {
  CODE,
  ConnectionError,
  DEFAULT_WINDOW,
  FLAG,
  FRAME,
  MAX_WINDOW,
  MIN_MAX_FRAME_BYTES,
} from './protocol.ts';

/** What is told of a request, and of its answer's way out. */
export type RequestSink = {
  /** A part of the body; it is read now or copied. */
  data(bytes: Buffer): void;
  /** The body is complete. */
  ended(): void;
  /** The message that was given to `send` has left. */
  sent(): void;
  /** The peer gave the stream up, or is gone: nothing more reaches it. */
  aborted(): void;
  /** The server closes: the stream is to be ended. */
  shutdown(): void;
};

/** The connection, as its streams see it. */
export type StreamHost = {
  readonly writer: FrameWriter;
  /** What the peer takes of all streams together. */
  sendWindow: number;
  /** To be pumped when the connection takes more. */
  wait(stream: Http2Stream): void;
  sentData(): void;
  /** Writes the header block of an answer. */
  writeHeaders(kind: number, streamId: number, block: Buffer): void;
  closed(stream: Http2Stream): void;
};

/** A smaller part of a message does not count as something that was read. */
const COUNTED_BYTES = 1024;
/** Given back when half of the window is used up. */
const GIVE_BACK_AT = DEFAULT_WINDOW >>> 1;

export class Http2Stream {
  readonly id: number;
  readonly #host: StreamHost;
  #sink: RequestSink | undefined;
  #sendWindow: number;
  #receiveWindow = DEFAULT_WINDOW;
  #consumed = 0;
  #message: Buffer | undefined;
  #offset = 0;
  /** Of an end that has to wait for the rest of a message. */
  #trailers: Buffer | undefined;
  #isAnswered = false;
  #isRequestEnded = false;
  #isClosed = false;

  constructor(id: number, host: StreamHost, sendWindow: number) {
    this.id = id;
    this.#host = host;
    this.#sendWindow = sendWindow;
  }

  /** Whether anything of an answer was sent. */
  get isAnswered(): boolean {
    return this.#isAnswered;
  }

  get isRequestEnded(): boolean {
    return this.#isRequestEnded;
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  attach(sink: RequestSink): void {
    this.#sink = sink;
    if (this.#isRequestEnded && !this.#isClosed) sink.ended();
  }

  // The side of the answer.

  /** Begins the answer. */
  respond(headers: Buffer): void {
    if (this.#isClosed) return;
    this.#isAnswered = true;
    this.#host.writeHeaders(HEADERS, this.id, headers);
  }

  /**
   * Sends a message, whose bytes must not change any more. False when it has to wait for the peer;
   * then `sent` says when it has left, and there must be no other before.
   */
  send(message: Buffer): boolean {
    if (this.#isClosed) return true;
    this.#message = message;
    this.#offset = 0;
    this.#pump();
    return this.#message === undefined;
  }

  /** Ends the answer. A message of which nothing was sent is dropped. */
  end(trailers: Buffer): void {
    if (this.#isClosed) return;
    if (this.#message !== undefined && this.#offset > 0) {
      this.#trailers = trailers;
      return;
    }
    this.#isAnswered = true;
    this.#host.writeHeaders(LAST_HEADERS, this.id, trailers);
    // §8.1: the peer need not send what nobody waits for.
    if (!this.#isRequestEnded) {
      this.#host.writer.number(FRAME.RST_STREAM, this.id, CODE.NO_ERROR);
    }
    this.#close();
  }

  /** Gives back what was read of the body, so that the peer sends more. */
  consume(bytes: number): void {
    this.#consumed += bytes;
    if (this.#consumed < GIVE_BACK_AT || this.#isRequestEnded || this.#isClosed) return;
    this.#host.writer.number(FRAME.WINDOW_UPDATE, this.id, this.#consumed);
    this.#receiveWindow += this.#consumed;
    this.#consumed = 0;
  }

  // The side of the connection.

  /** DATA of this stream. `frameBytes` counts padding too. */
  receive(bytes: Buffer, frameBytes: number, isLast: boolean): void {
    this.#isRequestEnded = isLast;
    this.#receiveWindow -= frameBytes;
    if (this.#receiveWindow < 0) {
      throw new ConnectionError(CODE.FLOW_CONTROL_ERROR, 'more data than the stream may send');
    }
    if (frameBytes > bytes.length) this.consume(frameBytes - bytes.length);
    if (bytes.length > 0) this.#sink?.data(bytes);
    if (isLast) this.endRequest();
  }

  endRequest(): void {
    this.#isRequestEnded = true;
    if (!this.#isClosed) this.#sink?.ended();
  }

  /** Changes the send window; false when it would grow beyond its limit (§6.9.1). */
  growWindow(by: number): boolean {
    this.#sendWindow += by;
    if (this.#sendWindow > MAX_WINDOW) return false;
    this.#pumpAndTell();
    return true;
  }

  /** The connection takes more. */
  resume(): void {
    this.#pumpAndTell();
  }

  /** It is over without an end of its own; nothing more is sent. */
  abort(): void {
    if (this.#isClosed) return;
    this.#close();
    this.#sink?.aborted();
  }

  shutdown(): void {
    this.#sink?.shutdown();
  }

  #close(): void {
    this.#isClosed = true;
    this.#message = undefined;
    this.#host.closed(this);
  }

  #pumpAndTell(): void {
    if (this.#message === undefined) return;
    this.#pump();
    if (this.#message !== undefined) return;
    const trailers = this.#trailers;
    if (trailers !== undefined) this.end(trailers);
    else this.#sink?.sent();
  }

  #pump(): void {
    const message = this.#message;
    if (message === undefined) return;
    const host = this.#host;
    do {
      if (this.#sendWindow <= 0) return;
      if (host.sendWindow <= 0 || host.writer.isCongested) {
        host.wait(this);
        return;
      }
      const left = message.length - this.#offset;
      const take = Math.min(left, this.#sendWindow, host.sendWindow, MIN_MAX_FRAME_BYTES);
      const isWhole = take === message.length;
      host.writer.data(
        this.id,
        isWhole ? message : message.subarray(this.#offset, this.#offset + take),
      );
      this.#offset += take;
      if (take >= COUNTED_BYTES || this.#offset === message.length) host.sentData();
      this.#sendWindow -= take;
      host.sendWindow -= take;
    } while (this.#offset < message.length);
    this.#message = undefined;
  }
}

const HEADERS = (FRAME.HEADERS << 8) | FLAG.END_HEADERS;
const LAST_HEADERS = HEADERS | FLAG.END_STREAM;
