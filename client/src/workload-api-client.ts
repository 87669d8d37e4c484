// The SPIFFE Workload API, call by call, over a Unix socket or TCP; works against any server of it.
// Each answer is parsed whole before anything of it is handed out. Nothing is retried here: sources do that.

import { CodedError, invalid } from '../../src/base/errors.ts';
import { parseSpiffeId, type SpiffeId } from '../../src/spiffe/spiffe-id.ts';
import {
  type FetchedJwtSvid,
  type JwtBundles,
  parseJwtBundles,
  parseJwtSvids,
} from './jwt-svids.ts';
import { WorkloadConnection } from './workload-connection.ts';
import { workloadEndpoint } from './workload-endpoint.ts';
import { parseX509Bundles, type X509Bundles } from './x509-bundles.ts';
import { parseX509Context, type Report, type X509Context } from './x509-context.ts';

export type WorkloadApiClientOptions = {
  /** `unix:///path` or `tcp://ip:port`; without it, SPIFFE_ENDPOINT_SOCKET. */
  readonly address?: string;
  /** How long a `fetch…` or `validate…` may take. */
  readonly timeoutMs?: number;
  /**
   * How long a `watch…` waits for its first message; default 10 seconds. After silence it is twice as
   * long, up to eight times.
   */
  readonly firstAnswerMs?: number;
  /** Told of each answer of a stream that was discarded, and of each bundle left out of one. */
  readonly report?: Report;
};

export type JwtSvidRequest = {
  readonly audience: string | readonly string[];
  /** One of the workload's own; without it, all of them. */
  readonly spiffeId?: string;
};

export type ValidatedJwtSvid = {
  readonly spiffeId: SpiffeId;
  readonly claims: { readonly [name: string]: unknown };
};

const DEFAULT_TIMEOUT_MS = 30_000;
const DEFAULT_FIRST_ANSWER_MS = 10_000;

export class WorkloadApiClient {
  readonly #connection: WorkloadConnection;
  readonly #report: Report;

  constructor(options: WorkloadApiClientOptions = {}) {
    this.#connection = new WorkloadConnection({
      target: workloadEndpoint(options.address),
      timeoutMs: options.timeoutMs ?? DEFAULT_TIMEOUT_MS,
      firstAnswerMs: options.firstAnswerMs ?? DEFAULT_FIRST_ANSWER_MS,
    });
    this.#report = options.report ?? (() => {});
  }

  async fetchX509Context(): Promise<X509Context> {
    const answer = await this.#connection.answer((calls, options) =>
      first(calls.fetchX509SVID({}, options)),
    );
    return parseX509Context(answer, this.#report);
  }

  /** Each answer as it comes, until aborted; throws what ended the stream. */
  async *watchX509Context(signal: AbortSignal): AsyncGenerator<X509Context, void, undefined> {
    const answers = this.#connection.messages(
      (calls, options) => calls.fetchX509SVID({}, options),
      signal,
    );
    yield* this.#parsed(answers, (answer) => parseX509Context(answer, this.#report));
  }

  async fetchX509Bundles(): Promise<X509Bundles> {
    const { bundles } = await this.#connection.answer((calls, options) =>
      first(calls.fetchX509Bundles({}, options)),
    );
    return parseX509Bundles(bundles, this.#report);
  }

  async *watchX509Bundles(signal: AbortSignal): AsyncGenerator<X509Bundles, void, undefined> {
    const answers = this.#connection.messages(
      (calls, options) => calls.fetchX509Bundles({}, options),
      signal,
    );
    yield* this.#parsed(answers, ({ bundles }) => parseX509Bundles(bundles, this.#report));
  }

  async fetchJwtBundles(): Promise<JwtBundles> {
    const { bundles } = await this.#connection.answer((calls, options) =>
      first(calls.fetchJWTBundles({}, options)),
    );
    return parseJwtBundles(bundles, this.#report);
  }

  async *watchJwtBundles(signal: AbortSignal): AsyncGenerator<JwtBundles, void, undefined> {
    const answers = this.#connection.messages(
      (calls, options) => calls.fetchJWTBundles({}, options),
      signal,
    );
    yield* this.#parsed(answers, ({ bundles }) => parseJwtBundles(bundles, this.#report));
  }

  /** At least one, the default identity's first. */
  async fetchJwtSvids(
    request: JwtSvidRequest,
  ): Promise<readonly [FetchedJwtSvid, ...FetchedJwtSvid[]]> {
    const audience = [request.audience].flat();
    if (audience.length === 0 || audience.includes('')) {
      throw invalid('audience: must hold at least one value, and no empty one');
    }
    const spiffeId = request.spiffeId === undefined ? '' : parseSpiffeId(request.spiffeId);
    const answer = await this.#connection.answer((calls, options) =>
      calls.fetchJWTSVID({ audience, spiffeId }, options),
    );
    const svids = parseJwtSvids(answer);
    if (spiffeId !== '' && svids[0].spiffeId !== spiffeId) {
      throw invalid('svids: not for the SPIFFE ID that was asked for');
    }
    return svids;
  }

  async fetchJwtSvid(request: JwtSvidRequest): Promise<FetchedJwtSvid> {
    const [svid] = await this.fetchJwtSvids(request);
    return svid;
  }

  /** Has the server validate a token for `audience` (WA-32). Throws when it is not valid. */
  async validateJwtSvid(token: string, audience: string): Promise<ValidatedJwtSvid> {
    if (audience === '') throw invalid('audience: must not be empty');
    const answer = await this.#connection.answer((calls, options) =>
      calls.validateJWTSVID({ svid: token, audience }, options),
    );
    return { spiffeId: parseSpiffeId(answer.spiffeId), claims: answer.claims ?? {} };
  }

  close(): void {
    this.#connection.close();
  }

  // WA-11: what does not parse is reported and discarded; the stream goes on.
  async *#parsed<M, T>(answers: AsyncIterable<M>, parse: (answer: M) => T): AsyncGenerator<T> {
    for await (const answer of answers) {
      let parsed: T;
      try {
        parsed = parse(answer);
      } catch (thrown) {
        this.#report(CodedError.from(thrown));
        continue;
      }
      yield parsed;
    }
  }
}

async function first<M>(answers: AsyncIterable<M>): Promise<M> {
  for await (const answer of answers) return answer;
  throw new CodedError('unavailable', 'the stream ended without an answer');
}
