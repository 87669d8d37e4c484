// What each kind of frame does (RFC 9113 §6). What is wrong with one stream resets it; what is wrong
// with the connection is thrown as `ConnectionError`.

import type { FrameReader } from './frame-reader.ts';
import type { FrameWriter } from './frame-writer.ts';
import { HeaderBlocks, withoutPadding } from './header-block.ts';
import type { Limits } from './limits.ts';
import type { PeerSettings } from './peer-settings.ts';
import { CODE, ConnectionError, FLAG, FRAME, MAX_WINDOW } from './protocol.ts';
import { RequestCache } from './request-cache.ts';
import { areRegular, type RequestHead, readRequestHead } from './request-head.ts';
import type { Http2Stream, RequestSink } from './stream.ts';
import type { StreamTable } from './stream-table.ts';

/** What is behind the streams. */
export type RequestOpener<R> = {
  /** Makes a request of its fields; done once for blocks that are sent again and again. */
  readonly read: (head: RequestHead | 'too-large') => R;
  /** A request has begun; `release` is called once, when its handler is done. */
  readonly open: (stream: Http2Stream, request: R, release: () => void) => RequestSink;
};

export type IncomingFramesOptions<R> = {
  readonly limits: Limits;
  readonly writer: FrameWriter;
  readonly settings: PeerSettings;
  readonly streams: StreamTable;
  readonly opener: RequestOpener<R>;
};

const PRIORITY_BYTES = 5;
const GOAWAY_BYTES = 8;

export class IncomingFrames<R> {
  readonly #writer: FrameWriter;
  readonly #settings: PeerSettings;
  readonly #streams: StreamTable;
  readonly #opener: RequestOpener<R>;
  readonly #blocks: HeaderBlocks;
  readonly #requests: RequestCache<R>;
  /** Whether the peer's first SETTINGS have come, before which nothing else may (§3.4). */
  isSettled = false;
  /** Whether the peer said GOAWAY. */
  isPeerLeaving = false;

  constructor(options: IncomingFramesOptions<R>) {
    this.#writer = options.writer;
    this.#settings = options.settings;
    this.#streams = options.streams;
    this.#opener = options.opener;
    this.#blocks = new HeaderBlocks(options.limits);
    this.#requests = new RequestCache(this.#blocks);
  }

  /** Whether a header block is incomplete: then nothing else may come. */
  get isWithinBlock(): boolean {
    return this.#blocks.streamId !== 0;
  }

  /** Takes the frame that the reader is at. */
  take(frame: FrameReader): void {
    const { type, streamId } = frame;
    if (!this.isSettled && (type !== FRAME.SETTINGS || has(frame, FLAG.ACK))) {
      throw protocolError('the first frame is not SETTINGS');
    }
    if (this.isWithinBlock && (type !== FRAME.CONTINUATION || streamId !== this.#blocks.streamId)) {
      throw protocolError('a frame within a header block');
    }
    switch (type) {
      case FRAME.DATA:
        return this.#data(frame);
      case FRAME.HEADERS:
        return this.#headers(frame);
      case FRAME.CONTINUATION:
        return this.#continuation(frame);
      case FRAME.RST_STREAM:
        return this.#streams.reset(requireStream(streamId));
      case FRAME.WINDOW_UPDATE:
        return this.#streams.windowUpdate(streamId, payload(frame).readUInt32BE() & MAX_WINDOW);
      case FRAME.SETTINGS:
        return this.#settingsFrame(frame);
      case FRAME.PING:
        return this.#ping(frame);
      case FRAME.GOAWAY:
        return this.#goAway(frame);
      case FRAME.PRIORITY:
        requireStream(streamId);
        return this.#streams.spendControl();
      case FRAME.PUSH_PROMISE:
        throw protocolError('a client does not push');
      default:
        // §5.5: unknown frames are ignored, but not for free.
        return this.#streams.spendControl();
    }
  }

  #data(frame: FrameReader): void {
    const id = requireStream(frame.streamId);
    const frameBytes = frame.end - frame.start;
    this.#streams.received(frameBytes);
    const bytes = withoutPadding(payload(frame), has(frame, FLAG.PADDED));
    const isLast = has(frame, FLAG.END_STREAM);
    if (bytes.length === 0 && !isLast) this.#streams.spendControl();
    const stream = this.#streams.get(id);
    if (stream === undefined) this.#streams.receivedLate(id);
    else if (stream.isRequestEnded) this.#streams.refuse(id, CODE.STREAM_CLOSED);
    else stream.receive(bytes, frameBytes, isLast);
  }

  #headers(frame: FrameReader): void {
    const id = requireStream(frame.streamId);
    const skip = has(frame, FLAG.PRIORITY) ? PRIORITY_BYTES : 0;
    const part = withoutPadding(payload(frame), has(frame, FLAG.PADDED), skip);
    this.#blocks.begin(id, has(frame, FLAG.END_STREAM));
    if (has(frame, FLAG.END_HEADERS)) this.#block(id, this.#blocks.finish(part));
    else this.#blocks.add(part);
  }

  #continuation(frame: FrameReader): void {
    if (!this.isWithinBlock) throw protocolError('CONTINUATION of nothing');
    const part = payload(frame);
    if (has(frame, FLAG.END_HEADERS)) this.#block(frame.streamId, this.#blocks.finish(part));
    else this.#blocks.add(part);
  }

  #block(id: number, block: Buffer): void {
    const stream = this.#streams.get(id);
    if (stream !== undefined) {
      this.#trailers(stream, block);
      return;
    }
    if ((id & 1) === 0) throw protocolError('a client opens odd streams');
    if (id <= this.#streams.highest) {
      throw new ConnectionError(CODE.STREAM_CLOSED, 'HEADERS for a closed stream');
    }
    this.#streams.highest = id;
    const request = this.#requests.find(block) ?? this.#read(id, block);
    if (request === undefined || id > this.#streams.lastServed) return;
    const opened = this.#streams.open(id);
    if (opened === undefined) return;
    if (this.#blocks.endsStream) opened.endRequest();
    opened.attach(this.#opener.open(opened, request, this.#streams.callEnded));
  }

  #read(id: number, block: Buffer): R | undefined {
    const { generation } = this.#blocks;
    const { fields } = this.#blocks.decode(block);
    const head = fields === undefined ? 'too-large' : readRequestHead(fields);
    if (head === undefined) {
      this.#streams.refuse(id, CODE.PROTOCOL_ERROR);
      return undefined;
    }
    const request = this.#opener.read(head);
    this.#requests.keep(block, request, generation);
    return request;
  }

  // §8.1: they end the request, and nothing in them means anything to gRPC.
  #trailers(stream: Http2Stream, block: Buffer): void {
    const { fields } = this.#blocks.decode(block);
    if (stream.isRequestEnded) this.#streams.refuse(stream.id, CODE.STREAM_CLOSED);
    else if (!this.#blocks.endsStream || fields === undefined || !areRegular(fields)) {
      this.#streams.refuse(stream.id, CODE.PROTOCOL_ERROR);
    } else stream.endRequest();
  }

  #settingsFrame(frame: FrameReader): void {
    requireConnection(frame.streamId);
    this.#streams.spendControl();
    if (has(frame, FLAG.ACK)) {
      if (frame.end === frame.start) return;
      throw new ConnectionError(CODE.FRAME_SIZE_ERROR, 'an acknowledgement with a payload');
    }
    const before = this.#settings.initialWindow;
    this.#settings.take(payload(frame));
    this.isSettled = true;
    this.#writer.frame((FRAME.SETTINGS << 8) | FLAG.ACK, 0, NOTHING);
    const change = this.#settings.initialWindow - before;
    if (change !== 0) this.#streams.growWindows(change);
  }

  #ping(frame: FrameReader): void {
    requireConnection(frame.streamId);
    this.#streams.spendControl();
    if (has(frame, FLAG.ACK)) return;
    this.#writer.frame((FRAME.PING << 8) | FLAG.ACK, 0, payload(frame));
  }

  #goAway(frame: FrameReader): void {
    requireConnection(frame.streamId);
    this.#streams.spendControl();
    if (frame.end - frame.start < GOAWAY_BYTES) {
      throw new ConnectionError(CODE.FRAME_SIZE_ERROR, 'GOAWAY of a wrong length');
    }
    this.isPeerLeaving = true;
  }
}

const NOTHING: Buffer = Buffer.alloc(0);

function payload(frame: FrameReader): Buffer {
  return frame.bytes.subarray(frame.start, frame.end);
}

function has(frame: FrameReader, flag: number): boolean {
  return (frame.flags & flag) !== 0;
}

function requireStream(id: number): number {
  if (id === 0) throw protocolError('a frame of a stream for stream 0');
  return id;
}

function requireConnection(id: number): void {
  if (id !== 0) throw protocolError('a frame of the connection for a stream');
}

function protocolError(message: string): ConnectionError {
  return new ConnectionError(CODE.PROTOCOL_ERROR, message);
}
