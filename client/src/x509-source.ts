// The workload's X.509 identity, always current. While the server is away, the last answer serves
// until it expires.

import { type Clock, systemClock } from '../../src/base/clock.ts';
import { CodedError } from '../../src/base/errors.ts';
import type { TrustDomain } from '../../src/spiffe/spiffe-id.ts';
import { FollowedStream, type SourceState } from './followed-stream.ts';
import { LiveConnections } from './live-connections.ts';
import type { RevokedCertificates } from './revoked-certificates.ts';
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
  /** Told of each end of the stream, each answer discarded, and each connection ended. */
  readonly report?: Report;
  readonly clock?: Clock;
};

export type X509SourceState = SourceState<X509Context>;

export class X509Source {
  readonly clock: Clock;
  /** Those made with this source that are open. */
  readonly connections: LiveConnections;
  readonly #options: X509SourceOptions;
  readonly #client: WorkloadApiClient;
  readonly #stream: FollowedStream<X509Context>;

  constructor(options: X509SourceOptions = {}) {
    this.#options = options;
    this.clock = options.clock ?? systemClock;
    this.#client = new WorkloadApiClient({
      ...(options.address === undefined ? {} : { address: options.address }),
      report: (problem) => this.#stream.note(problem),
    });
    this.#stream = new FollowedStream({
      of: 'X.509-SVID',
      open: (signal) => this.#client.watchX509Context(signal),
      clock: this.clock,
      report: options.report,
    });
    this.connections = new LiveConnections((signal) => this.changes(signal), options.report);
  }

  /** Resolves once there is an identity. Throws when there will be none, or `signal` is aborted. */
  async ready(signal: AbortSignal = new AbortController().signal): Promise<void> {
    await this.#stream.ready(signal);
    void this.svid;
  }

  /** The identity to present. Throws when it is withdrawn, expired, or not there yet. */
  get svid(): X509Svid {
    const svid = this.#pick(this.#stream.current.svids);
    if (svid.notAfter < this.clock.now()) {
      throw new CodedError('unavailable', `X.509-SVID of ${svid.spiffeId} has expired`);
    }
    return svid;
  }

  get svids(): readonly X509Svid[] {
    return this.#stream.current.svids;
  }

  get bundles(): X509Bundles {
    return this.#stream.current.bundles;
  }

  get revoked(): RevokedCertificates {
    return this.#stream.current.revoked;
  }

  /** Undefined for a trust domain that is not trusted. */
  bundleOf(trustDomain: TrustDomain): X509Bundle | undefined {
    return this.bundles.get(trustDomain);
  }

  /** The present state, when there is one, then each newer one; a slow reader skips to the newest. */
  changes(signal: AbortSignal): AsyncGenerator<X509SourceState, void, undefined> {
    return this.#stream.changes(signal);
  }

  /** Open connections stay, and are not judged any more. */
  close(): void {
    this.#stream.close();
    this.#client.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #pick(svids: X509Context['svids']): X509Svid {
    const { hint, pick } = this.#options;
    if (pick === undefined && hint === undefined) return svids[0];
    const picked = pick === undefined ? svids.find((svid) => svid.hint === hint) : pick(svids);
    if (picked !== undefined) return picked;
    throw new CodedError('not-found', 'none of the X.509-SVIDs is the one that was asked for');
  }
}
