// An issuer on a Unix socket that says what a test tells it to, and signs with real authorities. It
// keeps no policy: what it pushes and what it signs are set separately.

import { createServer, type Server, type Socket } from 'node:net';
import type { MessageInitShape } from '@bufbuild/protobuf';
import type { Clock } from '../../src/base/clock.ts';
import { CodedError } from '../../src/base/errors.ts';
import { Latest } from '../../src/base/latest.ts';
import { parseSpiffeId } from '../../src/spiffe/spiffe-id.ts';
import {
  type BundleSchema,
  Issuer,
  type NodeReport,
  type SignJwtSvidsRequest,
  type SignX509SvidsRequest,
  type ToNodeSchema,
} from '../../src/transport/gen/signet/issuer_pb.ts';
import { GrpcServer } from '../../src/transport/grpc/grpc-server.ts';
import { bindService, type Call } from '../../src/transport/rpc.ts';
import type { TestAuthority } from './test-authority.ts';

export type ToNode = NonNullable<MessageInitShape<typeof ToNodeSchema>['message']>;
export type EntryMessage = {
  entryId: string;
  spiffeId: string;
  hint?: string;
  federatesWith?: string[];
  jwtDenied?: boolean;
  jwtSingleUse?: boolean;
  sdsDenied?: boolean;
  contentDigest?: Uint8Array;
};
export type PodMessage = {
  podUid: string;
  namespace: string;
  name: string;
  serviceAccount: string;
  version: bigint;
  entries: EntryMessage[];
  refusal: string;
};
type X509Item = SignX509SvidsRequest['items'][number];
type Refusal = { readonly reason: string; readonly message: string };

export class FakeIssuer {
  readonly path: string;
  readonly authority: TestAuthority;
  federated: readonly MessageInitShape<typeof BundleSchema>[] = [];
  restrictionVersion = 1n;
  readonly pods = new Map<string, PodMessage>();
  lifetimeMs = 3_600_000;
  jwtLifetimeMs = 300_000;
  /** Asked before an item is signed: a refusal, or an error for the whole call. */
  x509Verdict: (item: X509Item) => Refusal | CodedError | undefined = () => undefined;
  jwtVerdict: (request: SignJwtSvidsRequest) => Refusal | CodedError | undefined = () => undefined;
  /** What is done to a chain before it goes out. */
  bend: (chain: readonly Uint8Array[]) => readonly Uint8Array[] = (chain) => chain;
  readonly x509Requests: SignX509SvidsRequest[] = [];
  readonly jwtRequests: SignJwtSvidsRequest[] = [];
  readonly reports: NodeReport[] = [];
  readonly bearers = new Set<string>();
  watches = 0;
  clock: Clock;
  readonly #outboxes = new Set<{ queue: ToNode[]; tick: Latest<true> }>();
  readonly #connections = new Set<Socket>();
  #listener: Server | undefined;
  #server: GrpcServer | undefined;

  constructor(path: string, authority: TestAuthority, clock: Clock) {
    this.path = path;
    this.authority = authority;
    this.clock = clock;
  }

  get target(): string {
    return `unix:${this.path}`;
  }

  async start(): Promise<void> {
    const server = new GrpcServer({ services: [this.#binding()] });
    const listener = createServer((connection) => {
      this.#connections.add(connection);
      connection.once('close', () => this.#connections.delete(connection));
      server.accept(connection);
    });
    await new Promise<void>((resolve) => listener.listen(this.path, resolve));
    this.#server = server;
    this.#listener = listener;
  }

  /** Goes away; what was pushed is pushed again to whoever comes after the next start. */
  async stop(): Promise<void> {
    const listener = this.#listener;
    if (listener === undefined) return;
    this.#listener = undefined;
    const closed = new Promise<void>((resolve) => {
      listener.close(() => resolve());
    });
    await this.#server?.close();
    for (const connection of this.#connections) connection.destroy();
    await closed;
  }

  /** Says one thing to every watching node. */
  push(message: ToNode): void {
    for (const { queue, tick } of this.#outboxes) {
      queue.push(message);
      tick.set(true);
    }
  }

  pushPod(pod: PodMessage): void {
    this.pods.set(pod.podUid, pod);
    this.push({ case: 'podIdentities', value: pod });
  }

  pushBundles(): void {
    this.push(this.#bundles());
  }

  #bundles(): ToNode {
    return {
      case: 'bundles',
      value: {
        own: this.authority.bundle,
        federated: [...this.federated],
        restrictionVersion: this.restrictionVersion,
      },
    };
  }

  #binding() {
    return bindService(Issuer, {
      watch: (reports, call) => this.#watch(reports, call),
      signX509Svids: async (request, call) => {
        this.#noteBearer(call);
        this.x509Requests.push(request);
        return { results: request.items.map((item) => this.#signX509(item)) };
      },
      signJwtSvids: async (request, call) => {
        this.#noteBearer(call);
        this.jwtRequests.push(request);
        return { results: request.items.map((item) => this.#signJwt(request, item)) };
      },
    });
  }

  async *#watch(reports: AsyncIterable<NodeReport>, call: Call) {
    this.#noteBearer(call);
    this.watches += 1;
    const queue: ToNode[] = [
      this.#bundles(),
      ...[...this.pods.values()].map((value) => ({ case: 'podIdentities' as const, value })),
      { case: 'synced', value: { version: 1n } },
    ];
    const outbox = { queue, tick: new Latest<true>() };
    outbox.tick.set(true);
    this.#outboxes.add(outbox);
    void this.#read(reports);
    try {
      for await (const _ of outbox.tick.watch(call.signal)) {
        for (const message of queue.splice(0)) yield { message };
      }
    } finally {
      this.#outboxes.delete(outbox);
    }
  }

  async #read(reports: AsyncIterable<NodeReport>): Promise<void> {
    try {
      for await (const report of reports) this.reports.push(report);
    } catch {
      // The node went away.
    }
  }

  #signX509(item: X509Item) {
    const verdict = this.x509Verdict(item);
    if (verdict instanceof CodedError) throw verdict;
    if (verdict !== undefined) return { result: { case: 'refused' as const, value: verdict } };
    const now = this.clock.now();
    const issued = this.authority.signer.issue({
      publicKey: item.publicKey.value ?? new Uint8Array(),
      spiffeId: parseSpiffeId(item.expectedSpiffeId),
      notBefore: now - 60_000,
      notAfter: now + this.lifetimeMs,
    });
    const value = {
      chain: [...this.bend([issued.certificateDer, this.authority.intermediate])],
      notBefore: BigInt(issued.notBefore / 1000),
      notAfter: BigInt(issued.notAfter / 1000),
    };
    return { result: { case: 'issued' as const, value } };
  }

  #signJwt(request: SignJwtSvidsRequest, item: SignJwtSvidsRequest['items'][number]) {
    const verdict = this.jwtVerdict(request);
    if (verdict instanceof CodedError) throw verdict;
    if (verdict !== undefined) return { result: { case: 'refused' as const, value: verdict } };
    const now = this.clock.now();
    const expiresAt = now + this.jwtLifetimeMs;
    const spiffeId = parseSpiffeId(item.expectedSpiffeId);
    // A token id, so that two tokens of one second differ.
    const claims = new Map([['n', String(this.jwtRequests.length)]]);
    const token = this.authority.token(
      { spiffeId, audience: request.audience, claims },
      now,
      expiresAt,
    );
    const value = {
      token,
      issuedAt: BigInt(Math.floor(now / 1000)),
      expiresAt: BigInt(Math.floor(expiresAt / 1000)),
    };
    return { result: { case: 'issued' as const, value } };
  }

  #noteBearer(call: Call): void {
    this.bearers.add(call.metadata.get('authorization')?.join() ?? '');
  }
}

/** A pod's answer with one entry for each path, as the issuer pushes it. */
export function podMessage(
  podUid: string,
  paths: readonly string[],
  more: Partial<PodMessage> & { readonly entry?: Partial<EntryMessage> } = {},
): PodMessage {
  const { entry, ...fields } = more;
  return {
    podUid,
    namespace: 'shop',
    name: 'web-1',
    serviceAccount: 'default',
    version: 1n,
    entries: paths.map((path, index) => ({
      entryId: `entry-${index}`,
      spiffeId: `spiffe://example.org${path}`,
      contentDigest: Buffer.from(path),
      ...entry,
    })),
    refusal: paths.length === 0 ? 'NoPolicy' : '',
    ...fields,
  };
}
