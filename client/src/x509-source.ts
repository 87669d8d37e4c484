// The workload's X.509 identity, always current: blocks until the first answer, follows the stream,
// comes back after every end of it. What the server withdraws is not used any more (WA-21); while
// the server is away, the last answer serves until it expires.

import { backoffMs } from '../../src/base/backoff.ts';
import { type Clock, systemClock } from '../../src/base/clock.ts';
import { CodedError } from '../../src/base/errors.ts';
import { Latest } from '../../src/base/latest.ts';
import type { TrustDomain } from '../../src/spiffe/spiffe-id.ts';
import { WorkloadApiClient } from './workload-api-client.ts';
import type { X509Bundle, X509Bundles } from './x509-bundles.ts';
import type { Report, X509Context, X509Svid } from './x509-context.ts';

export type X509SourceOptions = {
  /** `unix:///path` or `tcp://ip:port`; without it, SPIFFE_ENDPOINT_SOCKET. */
  readonly address?: string;
  /** Uses the SVID with this hint. Without `hint` and `pick` the first one, the default, is used. */
  readonly hint?: string;
  /** Chooses among the SVIDs of each answer. */
  readonly pick?: (svids: readonly X509Svid[]) => X509Svid | undefined;
  /** Told of each end of the stream and of each answer that was discarded. */
  readonly report?: Report;
  readonly clock?: Clock;
};

export type X509SourceState =
  | { readonly status: 'current'; readonly context: X509Context }
  /** No identity until the next answer; the error says why in the server's words. */
  | { readonly status: 'withdrawn'; readonly error: CodedError }
  /** For good: the server refuses the request as such, or the source was closed. */
  | { readonly status: 'failed'; readonly error: CodedError };

const BACKOFF = { initialMs: 100, maxMs: 5000 };

export class X509Source {
  readonly clock: Clock;
  readonly #options: X509SourceOptions;
  readonly #client: WorkloadApiClient;
  readonly #state = new Latest<X509SourceState>();
  readonly #closed = new AbortController();
  #started = false;
  #lastProblem: CodedError | undefined;

  constructor(options: X509SourceOptions = {}) {
    this.#options = options;
    this.clock = options.clock ?? systemClock;
    this.#client = new WorkloadApiClient({
      ...(options.address === undefined ? {} : { address: options.address }),
      report: (problem) => this.#note(problem),
    });
  }

  /** Resolves once there is an identity. Throws when there will be none, or `signal` is aborted. */
  async ready(signal: AbortSignal = new AbortController().signal): Promise<void> {
    this.#start();
    const state = await this.#state.first(({ status }) => status !== 'withdrawn', signal);
    if (state === undefined) throw this.#notReady();
    void this.svid;
  }

  /** The identity to present. Throws when it is withdrawn, expired, or not there yet. */
  get svid(): X509Svid {
    const svid = this.#pick(this.#context().svids);
    if (svid.notAfter < this.clock.now()) {
      throw new CodedError('unavailable', `X.509-SVID of ${svid.spiffeId} has expired`);
    }
    return svid;
  }

  get svids(): readonly X509Svid[] {
    return this.#context().svids;
  }

  get bundles(): X509Bundles {
    return this.#context().bundles;
  }

  /** Undefined for a trust domain that is not trusted. */
  bundleOf(trustDomain: TrustDomain): X509Bundle | undefined {
    return this.bundles.get(trustDomain);
  }

  /** The present state, when there is one, then each newer one; a slow reader skips to the newest. */
  async *changes(signal: AbortSignal): AsyncGenerator<X509SourceState, void, undefined> {
    this.#start();
    yield* this.#state.watch(signal);
  }

  close(): void {
    if (this.#closed.signal.aborted) return;
    this.#closed.abort();
    this.#state.set({ status: 'failed', error: new CodedError('unavailable', 'source is closed') });
    this.#client.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #start(): void {
    if (this.#started) return;
    this.#started = true;
    void this.#run(this.#closed.signal);
  }

  async #run(signal: AbortSignal): Promise<void> {
    let attempt = 0;
    while (!signal.aborted) {
      try {
        for await (const context of this.#client.watchX509Context(signal)) {
          attempt = 0;
          if (!signal.aborted) this.#state.set({ status: 'current', context });
        }
        this.#note(new CodedError('unavailable', 'the server ended the stream'));
      } catch (thrown) {
        if (signal.aborted) return;
        if (!this.#survives(CodedError.from(thrown))) return;
      }
      await this.clock.sleep(backoffMs(attempt, BACKOFF), signal);
      attempt += 1;
    }
  }

  /** Draws the consequence of the stream's end; false when there is no point in asking again. */
  #survives(error: CodedError): boolean {
    this.#note(error);
    if (error.code === 'permission-denied') this.#state.set({ status: 'withdrawn', error });
    // WE-16: the same request would be refused again.
    if (error.code === 'invalid-argument') this.#state.set({ status: 'failed', error });
    return error.code !== 'invalid-argument';
  }

  #note(problem: CodedError): void {
    if (this.#closed.signal.aborted) return;
    this.#lastProblem = problem;
    this.#options.report?.(problem);
  }

  #context(): X509Context {
    const state = this.#state.value;
    if (state === undefined) throw this.#notReady();
    if (state.status !== 'current') throw state.error;
    return state.context;
  }

  #notReady(): CodedError {
    const cause = this.#lastProblem;
    const why = cause === undefined ? '' : `: ${cause.message}`;
    return new CodedError(cause?.code ?? 'unavailable', `no X.509-SVID yet${why}`, { cause });
  }

  #pick(svids: X509Context['svids']): X509Svid {
    const { hint, pick } = this.#options;
    if (pick === undefined && hint === undefined) return svids[0];
    const picked = pick === undefined ? svids.find((svid) => svid.hint === hint) : pick(svids);
    if (picked !== undefined) return picked;
    throw new CodedError('not-found', 'none of the X.509-SVIDs is the one that was asked for');
  }
}
