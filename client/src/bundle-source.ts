// The authorities of every trust domain that the workload trusts, always current: for who checks
// SVIDs of others without a need for one of its own.

import type { KeyObject } from 'node:crypto';
import { type Clock, systemClock } from '../../src/base/clock.ts';
import { CodedError } from '../../src/base/errors.ts';
import type { TrustDomain } from '../../src/spiffe/spiffe-id.ts';
import { FollowedStream, type SourceState } from './followed-stream.ts';
import type { JwtBundles } from './jwt-svids.ts';
import { WorkloadApiClient } from './workload-api-client.ts';
import type { X509Bundle, X509Bundles } from './x509-bundles.ts';
import type { Report } from './x509-context.ts';

export type BundleSourceOptions = {
  /** `unix:///path` or `tcp://ip:port`; without it, SPIFFE_ENDPOINT_SOCKET. */
  readonly address?: string;
  /** Which bundles to follow; default: both. A server may serve one of them alone. */
  readonly profiles?: readonly ('x509' | 'jwt')[];
  /** Told of each end of a stream, each answer discarded and each bundle left out of one. */
  readonly report?: Report;
  readonly clock?: Clock;
};

export class BundleSource {
  readonly clock: Clock;
  readonly #client: WorkloadApiClient;
  readonly #x509: FollowedStream<X509Bundles> | undefined;
  readonly #jwt: FollowedStream<JwtBundles> | undefined;

  constructor(options: BundleSourceOptions = {}) {
    const { address, profiles = ['x509', 'jwt'], report, clock = systemClock } = options;
    this.clock = clock;
    const client = new WorkloadApiClient({
      ...(address === undefined ? {} : { address }),
      ...(report === undefined ? {} : { report }),
    });
    this.#client = client;
    if (profiles.includes('x509')) {
      const open = (signal: AbortSignal) => client.watchX509Bundles(signal);
      this.#x509 = new FollowedStream({ of: 'X.509 bundles', open, clock, report });
    }
    if (profiles.includes('jwt')) {
      const open = (signal: AbortSignal) => client.watchJwtBundles(signal);
      this.#jwt = new FollowedStream({ of: 'JWT bundles', open, clock, report });
    }
  }

  /** Resolves once every profile's bundles are there. Throws when they never will be. */
  async ready(signal: AbortSignal = new AbortController().signal): Promise<void> {
    await Promise.all([this.#x509?.ready(signal), this.#jwt?.ready(signal)]);
  }

  /** Throws when the bundles are withdrawn, or not there yet. */
  get x509Bundles(): X509Bundles {
    return followed(this.#x509, 'x509').current;
  }

  get jwtBundles(): JwtBundles {
    return followed(this.#jwt, 'jwt').current;
  }

  /** Undefined for a trust domain that is not trusted. */
  bundleOf(trustDomain: TrustDomain): X509Bundle | undefined {
    return this.x509Bundles.get(trustDomain);
  }

  /** Public keys by key id; undefined for a trust domain that is not trusted. */
  jwtAuthoritiesOf(trustDomain: TrustDomain): ReadonlyMap<string, KeyObject> | undefined {
    return this.jwtBundles.get(trustDomain);
  }

  x509Changes(signal: AbortSignal): AsyncGenerator<SourceState<X509Bundles>, void, undefined> {
    return followed(this.#x509, 'x509').changes(signal);
  }

  jwtChanges(signal: AbortSignal): AsyncGenerator<SourceState<JwtBundles>, void, undefined> {
    return followed(this.#jwt, 'jwt').changes(signal);
  }

  close(): void {
    this.#x509?.close();
    this.#jwt?.close();
    this.#client.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

function followed<T>(stream: FollowedStream<T> | undefined, profile: string): FollowedStream<T> {
  if (stream !== undefined) return stream;
  throw new CodedError('failed-precondition', `profiles: ${profile} is not among them`);
}
