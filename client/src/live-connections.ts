// The open connections of a source, judged again with everything that it learns: one ends when the
// identity it was made with is withdrawn, when its peer's certificate is revoked, and when no authority
// of the bundle stands behind the peer any more. Certificates that merely end cut nothing: what was
// proven was proven when the connection was made.

import type { Duplex } from 'node:stream';
import { CodedError } from '../../src/base/errors.ts';
import { type SpiffeId, trustDomainOf } from '../../src/spiffe/spiffe-id.ts';
import { validateX509Svid } from '../../src/spiffe/x509-svid/x509-svid.ts';
import type { IssuedCertificate } from './revoked-certificates.ts';
import { isPartOf, type X509Bundle } from './x509-bundles.ts';
import { type Report, unfailing, type X509Context } from './x509-context.ts';
import type { X509SourceState } from './x509-source.ts';

/** Who was proven to be at the other end, and by what. */
export type VerifiedPeer = {
  readonly spiffeId: SpiffeId;
  /** DER, leaf first; the leaf alone where only OpenSSL saw the rest of the chain. */
  readonly chain: readonly Uint8Array[];
  readonly isCutOff: boolean;
  readonly certificates: readonly IssuedCertificate[];
  /** What it was judged by. */
  readonly bundle: X509Bundle;
  /** Milliseconds since the epoch. */
  readonly provenAt: number;
};

export type LiveConnection = {
  /** Destroyed when the connection has to end; forgotten when it ends by itself. */
  readonly socket: Duplex;
  readonly peer: VerifiedPeer;
  /** The SPIFFE ID that was presented. */
  readonly own: SpiffeId;
};

type Watched = Omit<LiveConnection, 'socket'> & { bundle: X509Bundle };
type Changes = (signal: AbortSignal) => AsyncIterable<X509SourceState>;

export class LiveConnections {
  readonly #changes: Changes;
  readonly #report: Report;
  readonly #open = new Map<Duplex, Watched>();
  #following: AbortController | undefined;
  #state: X509SourceState | undefined;

  /** `changes` are the source's; `report` is told of each connection that is ended, and why. */
  constructor(changes: Changes, report?: Report) {
    this.#changes = changes;
    this.#report = unfailing(report);
  }

  /** How many are open. */
  get size(): number {
    return this.#open.size;
  }

  add({ socket, peer, own }: LiveConnection): void {
    if (socket.destroyed) return;
    const watched = { peer, own, bundle: peer.bundle };
    this.#open.set(socket, watched);
    socket.once('close', () => this.#forget(socket));
    if (this.#following === undefined) {
      this.#following = new AbortController();
      void this.#follow(this.#following.signal);
    } else if (this.#state !== undefined) {
      this.#judge(socket, watched, this.#state);
    }
  }

  #forget(socket: Duplex): void {
    this.#open.delete(socket);
    if (this.#open.size > 0) return;
    this.#following?.abort();
    this.#following = undefined;
    this.#state = undefined;
  }

  async #follow(signal: AbortSignal): Promise<void> {
    try {
      for await (const state of this.#changes(signal)) {
        if (signal.aborted) return;
        this.#state = state;
        for (const [socket, watched] of this.#open) this.#judge(socket, watched, state);
      }
    } catch (thrown) {
      if (!signal.aborted) this.#report(CodedError.from(thrown));
    }
  }

  #judge(socket: Duplex, watched: Watched, state: X509SourceState): void {
    const why = reasonToEnd(watched, state);
    if (why === undefined) return;
    this.#open.delete(socket);
    // Without an error: not every owner of a socket listens, and the process must not die of it.
    socket.destroy();
    const message = `connection with ${watched.peer.spiffeId} ended: ${why}`;
    this.#report(new CodedError('permission-denied', message));
  }
}

function reasonToEnd(watched: Watched, state: X509SourceState): string | undefined {
  if (state.status === 'withdrawn') return `our identity is withdrawn: ${state.error.message}`;
  // The source is closed, or will never have anything: it takes nothing back any more.
  if (state.status === 'failed') return undefined;
  const { context } = state;
  const { peer, own } = watched;
  if (!context.svids.some(({ spiffeId }) => spiffeId === own)) return `${own} is withdrawn`;
  if (peer.certificates.some((each) => context.revoked.has(each))) {
    return "the peer's certificate is revoked";
  }
  return isStillTrusted(watched, context) ? undefined : "the peer's authority is not trusted";
}

function isStillTrusted(watched: Watched, { bundles }: X509Context): boolean {
  const { peer } = watched;
  const bundle = bundles.get(trustDomainOf(peer.spiffeId));
  if (bundle === undefined) return false;
  const isSame = isPartOf(watched.bundle, bundle);
  if (!isSame && (peer.isCutOff || !isProven(peer, bundle))) return false;
  watched.bundle = bundle;
  return true;
}

function isProven({ chain, provenAt }: VerifiedPeer, bundle: X509Bundle): boolean {
  try {
    validateX509Svid(chain, { authoritiesOf: () => bundle.anchors, now: provenAt });
    return true;
  } catch {
    return false;
  }
}
