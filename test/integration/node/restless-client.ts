// A workload that dials its socket anew for every question and asks all the time.

import { systemClock } from '../../../src/base/clock.ts';
import { CodedError } from '../../../src/base/errors.ts';
import { SpiffeWorkloadAPI } from '../../../src/transport/gen/spiffe/workload_pb.ts';
import { createGrpcClient } from '../../../src/transport/grpc/grpc-client.ts';
import { HEADER, Messages } from './node-harness.ts';

export type WatchedVolume = {
  readonly socket: string;
  /** The SPIFFE ID that is to be answered. */
  readonly id: string;
};

const PACE_MS = 10;

/** The first answer over a connection of its own. */
export async function fetchOnce(socket: string): Promise<string | undefined> {
  const client = createGrpcClient(SpiffeWorkloadAPI, { target: `unix:${socket}` });
  try {
    const stream = client.fetchX509SVID({}, { metadata: HEADER });
    return (await new Messages(stream).next()).svids[0]?.spiffeId;
  } finally {
    client.close();
  }
}

/** Connects and fetches without end, and remembers every failure. */
export class RestlessClient {
  readonly failures: string[] = [];
  fetched = 0;
  readonly #stop = new AbortController();
  readonly #done: Promise<void>;

  constructor(volume: WatchedVolume) {
    this.#done = this.#run(volume);
  }

  async end(): Promise<void> {
    this.#stop.abort();
    await this.#done;
  }

  async #run({ socket, id }: WatchedVolume): Promise<void> {
    while (!this.#stop.signal.aborted) {
      try {
        const got = await fetchOnce(socket);
        if (got !== id) this.failures.push(`got ${got}`);
      } catch (thrown) {
        const { code, message } = CodedError.from(thrown);
        this.failures.push(`${code}: ${message}`);
      }
      this.fetched += 1;
      await systemClock.sleep(PACE_MS, this.#stop.signal);
    }
  }
}
