// One HTTP/2 connection, the server's side (RFC 9113): its beginning, its time limits and its end.
// No end of it leaves a stream open or a handler unaware.

import type { Duplex } from 'node:stream';
import { FrameReader } from './frame-reader.ts';
import { FrameWriter } from './frame-writer.ts';
import { IncomingFrames, type RequestOpener } from './incoming-frames.ts';
import type { Limits } from './limits.ts';
import { PeerSettings } from './peer-settings.ts';
import { CODE, ConnectionError, FRAME, SETTING } from './protocol.ts';
import { StreamTable } from './stream-table.ts';
import { monotonicNow, startTicking, stopTicking, type Timed } from './ticker.ts';

export type Http2ConnectionOptions<R> = {
  readonly limits: Limits;
  readonly opener: RequestOpener<R>;
  readonly onClose: () => void;
};

export class Http2Connection<R> implements Timed {
  readonly #duplex: Duplex;
  readonly #limits: Limits;
  readonly #onClosed: () => void;
  readonly #reader = new FrameReader();
  readonly #writer: FrameWriter;
  readonly #streams: StreamTable;
  readonly #incoming: IncomingFrames<R>;
  #heardAt: number = monotonicNow();
  readonly #startedAt = this.#heardAt;
  /** When the peer was asked for a sign of life; 0 when it was not. */
  #askedAt = 0;
  /** Since when a frame or a header block is incomplete; 0 when none is. */
  #partSince = 0;
  /** `closing` lets streams end; `over` says and hears nothing more. */
  #state: 'open' | 'closing' | 'over' = 'open';
  #isGreeted = false;
  #closed: PromiseWithResolvers<void> | undefined;
  #forceTimer: NodeJS.Timeout | undefined;

  constructor(duplex: Duplex, options: Http2ConnectionOptions<R>) {
    const { limits, opener } = options;
    this.#duplex = duplex;
    this.#limits = limits;
    this.#onClosed = options.onClose;
    this.#writer = new FrameWriter(duplex);
    const settings = new PeerSettings();
    this.#streams = new StreamTable({
      limits,
      writer: this.#writer,
      settings,
      onIdle: () => this.#onIdle(),
    });
    this.#incoming = new IncomingFrames({
      limits,
      writer: this.#writer,
      settings,
      streams: this.#streams,
      opener,
    });
    duplex.on('data', this.#onData);
    duplex.on('drain', this.#onDrain);
    duplex.once('end', () => this.#onEnd());
    duplex.on('error', () => duplex.destroy());
    duplex.once('close', () => this.#onClose());
    startTicking(this);
  }

  /** Ends every stream, tells the peer where it ended, and closes; resolves when it is closed. */
  async shutdown(): Promise<void> {
    const closed = (this.#closed ??= Promise.withResolvers());
    if (this.#state === 'open') {
      this.#state = 'closing';
      this.#forceLater();
      // A peer that said nothing yet is not waited for.
      if (this.#incoming.isSettled) {
        this.#streams.lastServed = this.#streams.highest;
        this.#goAway(CODE.NO_ERROR, '');
        this.#streams.shutdownAll();
        if (this.#streams.size === 0) this.#finish();
      } else {
        this.#duplex.destroy();
      }
    } else if (this.#duplex.closed) closed.resolve();
    await closed.promise;
  }

  /** Looks at the time limits. */
  tick(now: number): void {
    if (this.#state !== 'open') return;
    const { prefaceMs, partMs, keepaliveMs, keepaliveTimeoutMs } = this.#limits;
    if (!this.#incoming.isSettled) {
      if (now - this.#startedAt > prefaceMs) this.#duplex.destroy();
    } else if (this.#partSince !== 0 && now - this.#partSince > partMs) {
      this.#fail(new ConnectionError(CODE.ENHANCE_YOUR_CALM, 'a frame that does not end'));
    } else if (this.#askedAt !== 0) {
      if (now - this.#askedAt > keepaliveTimeoutMs) this.#duplex.destroy();
    } else if (now - this.#heardAt > keepaliveMs) {
      this.#askedAt = now;
      this.#writer.frame(FRAME.PING << 8, 0, Buffer.alloc(8));
    }
  }

  readonly #onData = (chunk: Buffer): void => {
    if (this.#state === 'over') return;
    this.#greet();
    this.#heardAt = monotonicNow();
    this.#askedAt = 0;
    const reader = this.#reader;
    try {
      reader.feed(chunk);
      let frames = 0;
      while (reader.next()) {
        this.#incoming.take(reader);
        frames += 1;
      }
      this.#notePart(frames > 0);
    } catch (thrown) {
      this.#fail(thrown);
      return;
    }
    if (this.#incoming.isPeerLeaving && this.#streams.size === 0) void this.shutdown();
    // Whoever does not read what it asked for is not listened to meanwhile.
    if (this.#writer.isCongested) this.#duplex.pause();
  };

  readonly #onDrain = (): void => {
    this.#streams.resumeWaiting();
    if (!this.#writer.isCongested && this.#state !== 'over') this.#duplex.resume();
  };

  // §3.4: a client speaks first and waits for nobody, so that the first frame of this side can go out
  // with what answers the client's.
  #greet(): void {
    if (this.#isGreeted) return;
    this.#isGreeted = true;
    this.#writer.frame(FRAME.SETTINGS << 8, 0, ownSettings(this.#limits));
  }

  // Who is leaving and has closed its side does not wait for answers.
  #onEnd(): void {
    if (this.#incoming.isPeerLeaving) this.#duplex.destroy();
    else void this.shutdown();
  }

  #notePart(isNew: boolean): void {
    const { isWithinBlock } = this.#incoming;
    if (!isWithinBlock && !this.#reader.isWithin) this.#partSince = 0;
    else if (this.#partSince === 0 || (isNew && !isWithinBlock)) this.#partSince = this.#heardAt;
  }

  #fail(thrown: unknown): void {
    if (!this.#reader.isPrefaceRead) {
      // It does not speak HTTP/2: nothing that we could say would be understood.
      this.#duplex.destroy();
      return;
    }
    const error =
      thrown instanceof ConnectionError
        ? thrown
        : new ConnectionError(CODE.INTERNAL_ERROR, 'internal error');
    this.#goAway(error.code, error.message);
    this.#finish();
    this.#streams.abortAll();
  }

  #onIdle(): void {
    if (this.#state === 'closing' || (this.#incoming.isPeerLeaving && this.#state === 'open')) {
      this.#finish();
    }
  }

  #goAway(code: number, reason: string): void {
    const payload = Buffer.alloc(8 + reason.length);
    payload.writeUInt32BE(this.#streams.highest, 0);
    payload.writeUInt32BE(code, 4);
    payload.write(reason, 8, 'latin1');
    this.#writer.frame(FRAME.GOAWAY << 8, 0, payload);
  }

  /** Lets what was said go out, and closes. */
  #finish(): void {
    if (this.#state === 'over') return;
    this.#state = 'over';
    this.#forceLater();
    this.#writer.flush();
    this.#duplex.pause();
    this.#duplex.end(() => this.#duplex.destroy());
  }

  #forceLater(): void {
    this.#forceTimer ??= setTimeout(() => {
      this.#duplex.destroy();
      // Not left to its event: it never comes from a connection that was just falling apart.
      this.#onClose();
    }, this.#limits.closeMs);
  }

  #onClose(): void {
    this.#state = 'over';
    clearTimeout(this.#forceTimer);
    stopTicking(this);
    this.#streams.abortAll();
    this.#closed?.resolve();
    this.#onClosed();
  }
}

function ownSettings(limits: Limits): Buffer {
  const payload = Buffer.alloc(12);
  payload.writeUInt16BE(SETTING.MAX_CONCURRENT_STREAMS, 0);
  payload.writeUInt32BE(limits.maxStreams, 2);
  payload.writeUInt16BE(SETTING.MAX_HEADER_LIST_SIZE, 6);
  payload.writeUInt32BE(limits.maxHeaderBytes, 8);
  return payload;
}
