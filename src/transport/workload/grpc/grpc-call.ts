// One call: the messages of its request, its handler, and the handler's answers on their way out. A
// reader that does not read holds back the generator it reads from, with one message at most.

import type { DescMethod } from '@bufbuild/protobuf';
import { CodedError } from '../../../base/errors.ts';
import type { Call } from '../../rpc.ts';
import type { Http2Stream, RequestSink } from '../http2/stream.ts';
import {
  ANSWER_HEADERS,
  DEADLINE_EXCEEDED,
  encodeMessage,
  errorBlock,
  OK_ALONE,
  OK_TRAILERS,
  statusBlock,
} from './answers.ts';
import type { Deadlines, Expiring } from './deadlines.ts';
import type { GrpcRequest, Served } from './grpc-request.ts';
import type { RequestMemory } from './message-reader.ts';
import { RequestMessages } from './request-messages.ts';

/** Told once of every call that ended, with its error if it failed. */
export type CallObserver = (method: string, error: CodedError | undefined) => void;

/** What the calls of one server share. */
export type CallScope = {
  readonly maxMessageBytes: number;
  readonly memory: RequestMemory;
  readonly messageMs: number;
  readonly deadlines: Deadlines;
  readonly observe: CallObserver;
};

export type GrpcCallOptions = {
  readonly scope: CallScope;
  readonly stream: Http2Stream;
  readonly request: Extract<GrpcRequest, { kind: 'call' }>;
  /** Called when the handler is done. */
  readonly release: () => void;
};

/** One for all: a reason made anew would cost more than most of what it ends. */
const CALL_OVER = new CodedError('unavailable', 'the call is over');

export class GrpcCall implements Call, RequestSink, Expiring {
  readonly metadata: ReadonlyMap<string, readonly string[]>;
  readonly #scope: CallScope;
  readonly #stream: Http2Stream;
  readonly #served: Served;
  readonly #release: () => void;
  readonly #messages: RequestMessages;
  #controller: AbortController | undefined;
  #isAborted = false;
  #isClosing = false;
  #hasDeadline = false;
  #wake: (() => void) | undefined;

  constructor({ scope, stream, request, release }: GrpcCallOptions) {
    this.metadata = request.metadata;
    this.#scope = scope;
    this.#stream = stream;
    this.#served = request.served;
    this.#release = release;
    this.#messages = new RequestMessages({
      isStream: request.served.method.methodKind === 'bidi_streaming',
      scope,
      stream,
      onLate: (error) => this.#fail(error),
    });
    if (request.timeoutMs !== undefined) {
      this.#hasDeadline = true;
      scope.deadlines.add(this, request.timeoutMs);
    }
    void this.#run();
  }

  /** Made when it is asked for: most calls end before anybody asks. */
  get signal(): AbortSignal {
    this.#controller ??= new AbortController();
    if (this.#isAborted) this.#controller.abort(CALL_OVER);
    return this.#controller.signal;
  }

  data(bytes: Buffer): void {
    try {
      this.#messages.read(bytes);
    } catch (thrown) {
      this.#fail(thrown);
    }
  }

  ended(): void {
    this.#messages.end();
  }

  sent(): void {
    this.#wakeUp();
  }

  aborted(): void {
    this.#abort();
  }

  shutdown(): void {
    this.#isClosing = true;
    this.#abort();
  }

  expire(): void {
    this.#finish((isAlone) =>
      statusBlock({ code: DEADLINE_EXCEEDED, details: 'deadline exceeded' }, isAlone),
    );
    this.#abort();
  }

  async #run(): Promise<void> {
    const { method, admit } = this.#served;
    try {
      await admit(this);
      if (method.methodKind === 'unary') await this.#answerOnce(method);
      else await this.#answerMany(method);
      this.#scope.observe(method.name, undefined);
    } catch (thrown) {
      this.#finish((isAlone) => errorBlock(thrown, isAlone));
      this.#scope.observe(method.name, CodedError.from(thrown));
    } finally {
      this.#messages.close();
      if (this.#hasDeadline) this.#scope.deadlines.delete(this);
      this.#release();
    }
  }

  async #answerOnce(method: DescMethod): Promise<void> {
    const { parse, handler } = this.#served;
    const answer = await handler(parse(await this.#messages.only()), this);
    await this.#send(encodeMessage(method.output, answer));
    this.#finish(() => OK_TRAILERS);
  }

  async #answerMany(method: DescMethod): Promise<void> {
    const request =
      method.methodKind === 'bidi_streaming'
        ? this.#messages.parsed(method.input)
        : this.#served.parse(await this.#messages.only());
    for await (const answer of this.#served.handler(request, this)) {
      if (this.#isAborted) break;
      await this.#send(encodeMessage(method.output, answer));
    }
    if (this.#isClosing) throw new CodedError('unavailable', 'the server is shutting down');
    this.#finish((isAlone) => (isAlone ? OK_ALONE : OK_TRAILERS));
  }

  async #send(message: Buffer): Promise<void> {
    if (!this.#stream.isAnswered) this.#stream.respond(ANSWER_HEADERS);
    if (this.#stream.send(message)) return;
    if (!this.#isAborted) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    // Some of it may not have left: then the call does not end well.
    if (this.#isAborted) throw CALL_OVER;
  }

  #fail(thrown: unknown): void {
    this.#finish((isAlone) => errorBlock(thrown, isAlone));
    this.#abort();
  }

  #finish(block: (isAlone: boolean) => Buffer): void {
    if (!this.#stream.isClosed) this.#stream.end(block(!this.#stream.isAnswered));
  }

  #abort(): void {
    if (this.#isAborted) return;
    this.#isAborted = true;
    this.#messages.abort();
    this.#wakeUp();
    this.#controller?.abort(CALL_OVER);
  }

  #wakeUp(): void {
    const wake = this.#wake;
    this.#wake = undefined;
    wake?.();
  }
}
