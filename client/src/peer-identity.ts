// Who is at the other end of a TLS connection: the chain it presented, as DER, validated against the
// bundle of its own trust domain, then judged by the authorizer. OpenSSL's own check comes before
// this one and is relied on in one case only; no text derived from a certificate ever is.

import type { DetailedPeerCertificate } from 'node:tls';
import type { Clock } from '../../src/base/clock.ts';
import { CodedError, invalid } from '../../src/base/errors.ts';
import { type SpiffeId, type TrustDomain, trustDomainOf } from '../../src/spiffe/spiffe-id.ts';
import {
  MAX_CHAIN_LENGTH,
  readX509Svid,
  validateX509Svid,
} from '../../src/spiffe/x509-svid/x509-svid.ts';
import type { Authorizer } from './authorizer.ts';
import type { LiveConnection, LiveConnections, VerifiedPeer } from './live-connections.ts';
import { issuedCertificates, type RevokedCertificates } from './revoked-certificates.ts';
import { isPartOf, type X509Bundle, type X509Bundles } from './x509-bundles.ts';
import type { X509Svid } from './x509-context.ts';
import type { X509SourceState } from './x509-source.ts';

/** What TLS needs of a source; `X509Source` is one. */
export interface TlsSource {
  readonly clock: Clock;
  readonly svid: X509Svid;
  readonly revoked: RevokedCertificates;
  /** Takes every connection that is made with this source. */
  readonly connections: LiveConnections;
  bundleOf(trustDomain: TrustDomain): X509Bundle | undefined;
  changes(signal: AbortSignal): AsyncIterable<X509SourceState>;
}

/** What a handshake went by: OpenSSL keeps to what there was when it began, however long it takes. */
export type Begun = {
  /** The SPIFFE ID that is presented. */
  readonly own: SpiffeId;
  /** Of the trust domains that may connect, those that OpenSSL verifies by. */
  readonly bundles: X509Bundles;
};

export type PeerCheck = { readonly source: TlsSource; readonly authorize: Authorizer };

const verifiedPeers = new WeakMap<object, SpiffeId>();

/** On a verified socket, the socket: HTTP/2 shows one through a proxy, which no map knows. */
const SELF = Symbol('socket');
type Marked = { readonly [SELF]?: object };

/** The SPIFFE ID that was proven when the connection was made; only of connections made here. */
export function peerSpiffeId(socket: object): SpiffeId {
  const peer = verifiedPeers.get((socket as Marked)[SELF] ?? socket);
  if (peer === undefined) {
    throw new CodedError('failed-precondition', 'the peer of this connection was not verified');
  }
  return peer;
}

/** From here on the connection has a peer, and ends when the source says so. */
export function takePeer({ socket, peer, own }: LiveConnection, { connections }: TlsSource): void {
  verifiedPeers.set(socket, peer.spiffeId);
  Object.defineProperty(socket, SELF, { value: socket });
  connections.add({ socket, peer, own });
}

/** Throws `unauthenticated` or `permission-denied`; whatever is wrong, there is no peer then. */
export function verifyPeer(certificate: DetailedPeerCertificate, check: PeerCheck): VerifiedPeer {
  return authorizePeer(authenticate(chainOf(certificate), check), check);
}

/**
 * The same for the client of a server, after OpenSSL accepted its chain. Some versions of Node.js do
 * not show a server the certificates between a client's and an authority (nodejs/node#65579). Where
 * only one trust domain may connect, OpenSSL has verified the chain against its authorities alone, so
 * the leaf is all that is left to judge; of several, nothing says which one's authority signed. And
 * once one of those authorities has left, nothing says whether it is the one that signed.
 */
export function verifyClient(
  certificate: DetailedPeerCertificate,
  check: PeerCheck,
  begun: Begun,
): VerifiedPeer {
  const chain = chainOf(certificate);
  const [leaf] = chain;
  const isCutOff = chain.length === 1 && certificate.issuerCertificate !== certificate;
  if (leaf === undefined || !isCutOff || check.authorize.trustDomains.size !== 1) {
    return authorizePeer(authenticate(chain, check), check);
  }
  return authorizePeer(authenticateLeaf(leaf, check, begun), check);
}

function authorizePeer(peer: VerifiedPeer, { authorize }: PeerCheck): VerifiedPeer {
  const decision = authorize.authorize(peer.spiffeId);
  if (decision.allowed) return peer;
  throw new CodedError('permission-denied', `TLS peer refused: ${decision.message}`, {
    reason: decision.reason,
  });
}

function authenticate(chain: readonly Uint8Array[], check: PeerCheck): VerifiedPeer {
  return orRefuse(check, { chain, isCutOff: false }, ({ now, bundleOf }) => {
    const authoritiesOf = (trustDomain: TrustDomain) => bundleOf(trustDomain)?.anchors;
    return validateX509Svid(chain, { authoritiesOf, now }).spiffeId;
  });
}

function authenticateLeaf(leaf: Uint8Array, check: PeerCheck, { bundles }: Begun): VerifiedPeer {
  return orRefuse(check, { chain: [leaf], isCutOff: true }, ({ now, bundleOf }) => {
    const { spiffeId, certificate } = readX509Svid(leaf);
    const trustDomain = trustDomainOf(spiffeId);
    const [before, after] = [bundles.get(trustDomain), bundleOf(trustDomain)];
    if (before === undefined) throw invalid(`trust domain ${trustDomain}: not trusted`);
    if (after !== undefined && !isPartOf(before, after)) {
      throw invalid(`trust domain ${trustDomain}: an authority left it during the handshake`);
    }
    if (now < certificate.notBefore) throw invalid('certificate: not valid yet');
    if (now > certificate.notAfter) throw invalid('certificate: expired');
    return spiffeId;
  });
}

type Presented = Pick<VerifiedPeer, 'chain' | 'isCutOff'>;
type Given = { readonly now: number; readonly bundleOf: TlsSource['bundleOf'] };

function orRefuse(
  { source, authorize }: PeerCheck,
  presented: Presented,
  judge: (given: Given) => SpiffeId,
): VerifiedPeer {
  // Without an identity of our own nobody is talked to: it may have been withdrawn just now.
  void source.svid;
  try {
    const now = source.clock.now();
    const bundleOf = (trustDomain: TrustDomain) =>
      authorize.trustDomains.has(trustDomain) ? source.bundleOf(trustDomain) : undefined;
    const spiffeId = judge({ now, bundleOf });
    const trustDomain = trustDomainOf(spiffeId);
    const bundle = bundleOf(trustDomain);
    if (bundle === undefined) throw invalid(`trust domain ${trustDomain}: not trusted`);
    const certificates = issuedCertificates(presented.chain);
    if (certificates.some((each) => source.revoked.has(each))) {
      throw invalid('certificate: revoked');
    }
    return { ...presented, spiffeId, bundle, certificates, provenAt: now };
  } catch (thrown) {
    const { message } = CodedError.from(thrown);
    throw new CodedError('unauthenticated', `TLS peer refused: ${message}`, { cause: thrown });
  }
}

/** DER, leaf first; with the authority last when OpenSSL found one. */
function chainOf(leaf: DetailedPeerCertificate): readonly Uint8Array[] {
  const chain: Uint8Array[] = [];
  let next: DetailedPeerCertificate | undefined = leaf;
  // A self-signed certificate is its own issuer here; without a certificate the object is empty.
  while (next?.raw !== undefined && chain.length <= MAX_CHAIN_LENGTH) {
    chain.push(next.raw);
    if (next.issuerCertificate === next) break;
    next = next.issuerCertificate;
  }
  return chain;
}
