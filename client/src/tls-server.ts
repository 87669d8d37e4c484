// TLS servers that only verified peers reach. Their certificate follows the source without touching
// open connections; when the identity is withdrawn, those end, and new ones fail until there is one again.

import { AsyncLocalStorage } from 'node:async_hooks';
import type { RequestListener } from 'node:http';
import {
  createSecureServer,
  type Http2SecureServer,
  type Http2ServerRequest,
  type Http2ServerResponse,
} from 'node:http2';
import { createServer as createHttps, type Server as HttpsServer } from 'node:https';
import { createServer as createTls, type TLSSocket, type Server as TlsServer } from 'node:tls';
import { CodedError } from '../../src/base/errors.ts';
import { type Begun, type PeerCheck, takePeer, verifyClient } from './peer-identity.ts';
import { begunWith, NO_IDENTITY, presentContext, SERVER_OPTIONS } from './tls-options.ts';

/**
 * A TLS server. Connections reach `onConnection`, and other 'secureConnection' listeners, only after
 * the check; refused ones are reported as 'tlsClientError', as Node reports failed handshakes.
 */
export function createTlsServer(
  check: PeerCheck,
  onConnection: (socket: TLSSocket) => void,
): TlsServer {
  return admitPeers(createTls(SERVER_OPTIONS, onConnection), check);
}

/** The same for HTTPS; `peerSpiffeId(request.socket)` tells who asks. */
export function createHttpsServer(check: PeerCheck, onRequest: RequestListener): HttpsServer {
  return admitPeers(createHttps(SERVER_OPTIONS, onRequest), check);
}

/** The same for HTTP/2 and HTTP/1.1; `peerSpiffeId(request.socket)` tells who asks. */
export function createHttp2Server(
  check: PeerCheck,
  onRequest: (request: Http2ServerRequest, response: Http2ServerResponse) => void,
): Http2SecureServer {
  return admitPeers(createSecureServer({ ...SERVER_OPTIONS, allowHTTP1: true }, onRequest), check);
}

/** In the callbacks of a connection: what its handshake began with; a socket keeps it when the server changes. */
const handshakes = new AsyncLocalStorage<Begun | undefined>();

function admitPeers<S extends TlsServer>(server: S, { source, authorize }: PeerCheck): S {
  // Taken once: authorities that OpenSSL verified by, and trust domains that a peer is then judged
  // by, must be the same ones, whatever an authorizer of somebody else's says later.
  const trustDomains = new Set(authorize.trustDomains);
  const check: PeerCheck = {
    source,
    authorize: { trustDomains, authorize: (peer) => authorize.authorize(peer) },
  };
  const emit = server.emit.bind(server) as (event: string, ...args: unknown[]) => boolean;
  let present: Begun | undefined;
  // A listener could only react after others; this withholds the connection from all of them.
  server.emit = (event: string, ...args: unknown[]): boolean => {
    if (event === 'connection') return handshakes.run(present, () => emit(event, ...args));
    if (event !== 'secureConnection') return emit(event, ...args);
    const socket = args[0] as TLSSocket;
    try {
      admit(socket, check);
    } catch (thrown) {
      socket.destroy();
      emit('tlsClientError', CodedError.from(thrown), socket);
      return false;
    }
    return emit(event, socket);
  };
  const closed = new AbortController();
  server.once('close', () => closed.abort());
  void followSource(check, closed.signal, (isCurrent) => {
    server.setSecureContext(isCurrent ? presentContext(check) : NO_IDENTITY);
    present = isCurrent ? begunWith(check) : undefined;
  });
  return server;
}

function admit(socket: TLSSocket, check: PeerCheck): void {
  // Cannot be, without tickets and session cache; were it, its certificates would be old news.
  if (socket.isSessionReused()) throw new CodedError('unauthenticated', 'TLS session was resumed');
  if (!socket.authorized) throw new CodedError('unauthenticated', 'TLS peer is not authenticated');
  const begun = handshakes.getStore();
  if (begun === undefined) throw new CodedError('unauthenticated', 'no identity was presented');
  const peer = verifyClient(socket.getPeerCertificate(true), check, begun);
  takePeer({ socket, peer, own: begun.own }, check.source);
  // What was presented is withdrawn by now.
  if (socket.destroyed)
    throw new CodedError('unauthenticated', `${begun.own} is not ours any more`);
}

async function followSource(
  { source }: PeerCheck,
  signal: AbortSignal,
  present: (isCurrent: boolean) => void,
): Promise<void> {
  for await (const { status } of source.changes(signal)) present(status === 'current');
}
