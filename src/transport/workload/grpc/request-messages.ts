// The messages of one request, from the body to the handler: exactly one, or a stream of them that
// the peer may not be further ahead with than one window.

import { type DescMessage, fromBinary } from '@bufbuild/protobuf';
import { CodedError } from '../../../base/errors.ts';
import type { Http2Stream } from '../http2/stream.ts';
import type { Deadlines, Expiring } from './deadlines.ts';
import { MessageReader, PREFIX_BYTES, type RequestMemory } from './message-reader.ts';

export type RequestMessagesOptions = {
  readonly isStream: boolean;
  readonly stream: Http2Stream;
  readonly scope: {
    readonly maxMessageBytes: number;
    readonly memory: RequestMemory;
    readonly deadlines: Deadlines;
    /** How long a message may take to come. */
    readonly messageMs: number;
  };
  /** Called when one takes longer. */
  readonly onLate: (error: CodedError) => void;
};

/** What a message that waits costs beside its bytes. */
const WAITING_BYTES = 128;
const NONE: readonly Buffer[] = [];

export class RequestMessages implements Expiring {
  readonly #isStream: boolean;
  readonly #stream: Http2Stream;
  readonly #memory: RequestMemory;
  readonly #options: RequestMessagesOptions;
  #isTimed = false;
  /** Until the body has ended. */
  #reader: MessageReader | undefined;
  /** Messages that nobody has taken yet. */
  #waiting: readonly Buffer[] | Buffer[] = NONE;
  #charged = 0;
  /** Of the stream's window: bytes that the peer may not send again yet. */
  #withheld = 0;
  /** Why there will be no more. Every call gets there: errors are made only for who asks. */
  #end: 'ended' | 'cut' | 'aborted' | undefined;
  #wake: (() => void) | undefined;

  constructor(options: RequestMessagesOptions) {
    const { isStream, stream, scope } = options;
    this.#options = options;
    this.#isStream = isStream;
    this.#stream = stream;
    this.#memory = scope.memory;
    this.#reader = new MessageReader({
      maxBytes: scope.maxMessageBytes,
      memory: scope.memory,
      onMessage: (message, isOwn) => this.#add(message, isOwn),
    });
  }

  /** Takes a part of the body. Throws a CodedError for what cannot be read or kept. */
  read(bytes: Buffer): void {
    this.#reader?.read(bytes);
    if (this.#isStream && this.#reader?.isWithin === true) this.#startTime();
    // A stream's bytes are given back as its messages are taken. While none waits, at once: a message
    // may be larger than the window, and nobody can take it before it is complete.
    this.#withheld += bytes.length;
    if (!this.#isStream || this.#waiting.length === 0) this.#giveBack(this.#withheld);
  }

  /** The body is complete. */
  end(): void {
    this.#over(this.#reader?.isWithin === true ? 'cut' : 'ended');
  }

  abort(): void {
    this.#over('aborted');
  }

  /** A message has not come whole in its time. */
  expire(): void {
    this.#isTimed = false;
    const { messageMs } = this.#options.scope;
    this.#options.onLate(
      new CodedError('resource-exhausted', `message: not complete within ${messageMs} ms`),
    );
  }

  /** Gives back what it kept. */
  close(): void {
    this.abort();
    this.#waiting = NONE;
    this.#memory.giveBack(this.#charged);
    this.#charged = 0;
  }

  /** The one message of a request that has one, once the body has ended. */
  async only(): Promise<Buffer> {
    while (this.#end === undefined) {
      this.#startTime();
      await this.#more();
    }
    if (this.#end !== 'ended') throw endedBadly(this.#end);
    const [message] = this.#waiting;
    if (message === undefined) throw new CodedError('internal', 'the request has no message');
    this.#waiting = NONE;
    return message;
  }

  /** Not a generator: whoever stops reading early must not thereby end the call. */
  parsed(schema: DescMessage): AsyncIterable<object> {
    return { [Symbol.asyncIterator]: () => ({ next: async () => await this.#next(schema) }) };
  }

  async #next(schema: DescMessage): Promise<IteratorResult<object, undefined>> {
    for (;;) {
      const message = (this.#waiting as Buffer[]).shift();
      if (message !== undefined) {
        this.#charge(-(message.length + WAITING_BYTES));
        const ofMessage = Math.min(PREFIX_BYTES + message.length, this.#withheld);
        this.#giveBack(this.#waiting.length === 0 ? this.#withheld : ofMessage);
        return { value: fromBinary(schema, message), done: false };
      }
      if (this.#end === 'ended') return { value: undefined, done: true };
      if (this.#end !== undefined) throw endedBadly(this.#end);
      await this.#more();
    }
  }

  #add(message: Buffer, isOwn: boolean): void {
    if (!this.#isStream && this.#waiting.length > 0) {
      throw new CodedError('internal', 'the request has more than one message');
    }
    // The one message of a body that is complete is read before anything else comes; any other
    // would keep all that came with it.
    const isRead = isOwn || (!this.#isStream && this.#stream.isRequestEnded);
    if (!isRead || this.#isStream) this.#charge(message.length + WAITING_BYTES);
    // The next message has its own time.
    if (this.#isStream) this.#stopTime();
    if (this.#waiting === NONE) this.#waiting = [];
    (this.#waiting as Buffer[]).push(isRead ? message : copyOf(message));
    this.#wakeUp();
  }

  #giveBack(bytes: number): void {
    this.#withheld -= bytes;
    this.#stream.consume(bytes);
  }

  #charge(bytes: number): void {
    if (bytes > 0) this.#memory.take(bytes);
    else this.#memory.giveBack(-bytes);
    this.#charged += bytes;
  }

  #over(end: 'ended' | 'cut' | 'aborted'): void {
    this.#end ??= end;
    this.#reader?.release();
    this.#reader = undefined;
    this.#stopTime();
    this.#wakeUp();
  }

  #startTime(): void {
    if (this.#isTimed) return;
    this.#isTimed = true;
    this.#options.scope.deadlines.add(this, this.#options.scope.messageMs);
  }

  #stopTime(): void {
    if (!this.#isTimed) return;
    this.#isTimed = false;
    this.#options.scope.deadlines.delete(this);
  }

  async #more(): Promise<void> {
    await new Promise<void>((resolve) => {
      this.#wake = resolve;
    });
  }

  #wakeUp(): void {
    const wake = this.#wake;
    this.#wake = undefined;
    wake?.();
  }
}

function endedBadly(end: 'cut' | 'aborted'): CodedError {
  return end === 'cut'
    ? new CodedError('internal', 'the request ends within a message')
    : new CodedError('unavailable', 'the call is over');
}

function copyOf(message: Buffer): Buffer {
  const copy = Buffer.allocUnsafeSlow(message.length);
  copy.set(message);
  return copy;
}
