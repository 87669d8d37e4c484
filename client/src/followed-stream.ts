// What a stream of the Workload API says, always current: blocks until the first answer, follows the
// stream, comes back after every end of it. What the server withdraws is not used any more (WA-21);
// while the server is away, the last answer serves.

import { backoffMs } from '../../src/base/backoff.ts';
import type { Clock } from '../../src/base/clock.ts';
import { CodedError } from '../../src/base/errors.ts';
import { Latest } from '../../src/base/latest.ts';
import { type Report, unfailing } from './x509-context.ts';

export type SourceState<T> =
  | { readonly status: 'current'; readonly context: T }
  /** Nothing until the next answer; the error says why in the server's words. */
  | { readonly status: 'withdrawn'; readonly error: CodedError }
  /** For good: the server refuses the request as such, or the source was closed. */
  | { readonly status: 'failed'; readonly error: CodedError };

export type FollowedStreamOptions<T> = {
  /** What it is about, for messages: `X.509-SVID`. */
  readonly of: string;
  /** Opens the stream. */
  readonly open: (signal: AbortSignal) => AsyncIterable<T>;
  readonly clock: Clock;
  readonly report?: Report | undefined;
};

/** To ask a local socket costs little; who waits long comes back long after the server did. */
const BACKOFF = { initialMs: 100, maxMs: 2000 };

export class FollowedStream<T> {
  readonly #options: FollowedStreamOptions<T>;
  readonly #report: Report;
  readonly #state = new Latest<SourceState<T>>();
  readonly #closed = new AbortController();
  #started = false;
  #lastProblem: CodedError | undefined;

  constructor(options: FollowedStreamOptions<T>) {
    this.#options = options;
    this.#report = unfailing(options.report);
  }

  /** Resolves with the first answer. Throws when there will be none, or `signal` is aborted. */
  async ready(signal: AbortSignal): Promise<T> {
    this.#start();
    const state = await this.#state.first(({ status }) => status !== 'withdrawn', signal);
    if (state === undefined) throw this.#notReady();
    return this.current;
  }

  /** Throws when it is withdrawn, or not there yet. */
  get current(): T {
    const state = this.#state.value;
    if (state === undefined) throw this.#notReady();
    if (state.status !== 'current') throw state.error;
    return state.context;
  }

  /** The present state, when there is one, then each newer one; a slow reader skips to the newest. */
  async *changes(signal: AbortSignal): AsyncGenerator<SourceState<T>, void, undefined> {
    this.#start();
    yield* this.#state.watch(signal);
  }

  /** Remembers why there is nothing, and tells who asked to be told. */
  note(problem: CodedError): void {
    if (this.#closed.signal.aborted) return;
    this.#lastProblem = problem;
    this.#report(problem);
  }

  close(): void {
    if (this.#closed.signal.aborted) return;
    this.#closed.abort();
    this.#state.set({ status: 'failed', error: new CodedError('unavailable', 'source is closed') });
  }

  #start(): void {
    if (this.#started) return;
    this.#started = true;
    void this.#run(this.#closed.signal);
  }

  async #run(signal: AbortSignal): Promise<void> {
    const { open, clock } = this.#options;
    let attempt = 0;
    while (!signal.aborted) {
      try {
        for await (const context of open(signal)) {
          attempt = 0;
          if (!signal.aborted) this.#state.set({ status: 'current', context });
        }
        this.note(new CodedError('unavailable', 'the server ended the stream'));
      } catch (thrown) {
        if (signal.aborted) return;
        if (!this.#survives(CodedError.from(thrown))) return;
      }
      await clock.sleep(backoffMs(attempt, BACKOFF), signal);
      attempt += 1;
    }
  }

  /** Draws the consequence of the stream's end; false when there is no point in asking again. */
  #survives(error: CodedError): boolean {
    this.note(error);
    if (error.code === 'permission-denied') this.#state.set({ status: 'withdrawn', error });
    // WE-16: the same request would be refused again.
    if (error.code === 'invalid-argument') this.#state.set({ status: 'failed', error });
    return error.code !== 'invalid-argument';
  }

  #notReady(): CodedError {
    const cause = this.#lastProblem;
    const why = cause === undefined ? '' : `: ${cause.message}`;
    const message = `no ${this.#options.of} yet${why}`;
    return new CodedError(cause?.code ?? 'unavailable', message, { cause });
  }
}
