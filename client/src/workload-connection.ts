// The connection to a Workload API. It is local and costs little, so one on which nothing is heard is
// not waited for: the call that met silence ends, and the next one is made over a new connection.

import { CodedError } from '../../src/base/errors.ts';
import { SpiffeWorkloadAPI } from '../../src/transport/gen/spiffe/workload_pb.ts';
import {
  type CallOptions,
  createGrpcClient,
  type GrpcClient,
} from '../../src/transport/grpc/grpc-client.ts';

export type WorkloadCalls = GrpcClient<typeof SpiffeWorkloadAPI>;

export type WorkloadConnectionOptions = {
  /** A gRPC target. */
  readonly target: string;
  /** How long a call of one answer may take. */
  readonly timeoutMs: number;
  /** How long a new stream may say nothing at first. */
  readonly firstAnswerMs: number;
};

/** Workload Endpoint §3: on every request, so that no tricked HTTP client passes for a workload. */
const SECURITY_HEADER = { 'workload.spiffe.io': 'true' };
/** A machine under load answers late, not never: who asked in vain waits longer the next time. */
const MAX_DOUBLINGS = 3;

export class WorkloadConnection {
  readonly #options: WorkloadConnectionOptions;
  #calls: WorkloadCalls;
  /** Streams in a row that said nothing. */
  #silences = 0;
  #isClosed = false;

  constructor(options: WorkloadConnectionOptions) {
    this.#options = options;
    this.#calls = connect(options.target);
  }

  /** The answer of a call. Throws what it ended with; `unavailable` when it took too long. */
  async answer<M>(call: (calls: WorkloadCalls, options: CallOptions) => Promise<M>): Promise<M> {
    const { timeoutMs } = this.#options;
    const calls = this.#calls;
    const startedAt = performance.now();
    try {
      return await call(calls, { metadata: SECURITY_HEADER, timeoutMs });
    } catch (thrown) {
      if (performance.now() - startedAt >= timeoutMs) this.#leave(calls);
      throw thrown;
    }
  }

  /** The messages of a stream, until aborted. Throws what ended it; `unavailable` when none came. */
  async *messages<M>(
    open: (calls: WorkloadCalls, options: CallOptions) => AsyncIterable<M>,
    signal: AbortSignal,
  ): AsyncGenerator<M, void, undefined> {
    const calls = this.#calls;
    const stop = new AbortController();
    const onAbort = () => stop.abort();
    signal.addEventListener('abort', onAbort, { once: true });
    if (signal.aborted) stop.abort();
    const limitMs = this.#options.firstAnswerMs * 2 ** Math.min(this.#silences, MAX_DOUBLINGS);
    let isSilent = false;
    const timer = setTimeout(() => {
      isSilent = true;
      stop.abort();
    }, limitMs);
    try {
      const options = { metadata: SECURITY_HEADER, signal: stop.signal };
      for await (const message of open(calls, options)) {
        clearTimeout(timer);
        this.#silences = 0;
        yield message;
      }
    } catch (thrown) {
      if (!isSilent) throw thrown;
      this.#silences += 1;
      this.#leave(calls);
      throw new CodedError('unavailable', `no answer within ${limitMs / 1000} seconds`);
    } finally {
      clearTimeout(timer);
      signal.removeEventListener('abort', onAbort);
    }
  }

  close(): void {
    this.#isClosed = true;
    this.#calls.close();
  }

  /** Streams that are open there go on; nothing new is asked there. */
  #leave(calls: WorkloadCalls): void {
    if (this.#isClosed || calls !== this.#calls) return;
    this.#calls = connect(this.#options.target);
    calls.close();
  }
}

function connect(target: string): WorkloadCalls {
  return createGrpcClient(SpiffeWorkloadAPI, {
    target,
    // The socket is local: to look often costs little, and a server that restarts is seen early.
    channel: { 'grpc.max_reconnect_backoff_ms': 1000 },
  });
}
