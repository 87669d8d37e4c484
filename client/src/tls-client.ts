// Connections to peers known by their SPIFFE ID. The caller gets a socket only after the peer was
// verified, so nothing is ever sent to another one. An agent pools connections for one authorizer.

import type { ClientRequestArgs } from 'node:http';
import { Agent, type AgentOptions } from 'node:https';
import type { Duplex } from 'node:stream';
import { connect, type TLSSocket } from 'node:tls';
import { CodedError } from '../../src/base/errors.ts';
import type { VerifiedPeer } from './live-connections.ts';
import { type PeerCheck, takePeer } from './peer-identity.ts';
import { identityCheck, secureContextOptions } from './tls-options.ts';

export type Destination =
  | { readonly host: string; readonly port: number }
  /** A Unix socket. */
  | { readonly path: string }
  /** A connection that is there already; it is closed when the peer is refused. */
  | { readonly socket: Duplex };

export type ConnectTlsOptions = PeerCheck & {
  readonly to: Destination;
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
  /** The protocol to agree on by ALPN; the connection fails when the peer does not speak it. */
  readonly protocol?: 'h2' | 'http/1.1';
};

const DEFAULT_TIMEOUT_MS = 30_000;

/** Resolves with a connection whose peer was verified; throws otherwise, with nothing sent. */
export async function connectTls(options: ConnectTlsOptions): Promise<TLSSocket> {
  const { to, signal, timeoutMs = DEFAULT_TIMEOUT_MS, protocol } = options;
  let peer: VerifiedPeer | undefined;
  const own = options.source.svid.spiffeId;
  const tlsOptions = {
    ...secureContextOptions(options),
    rejectUnauthorized: true,
    checkServerIdentity: identityCheck(options, (verified) => {
      peer = verified;
    }),
  };
  const limit = AbortSignal.timeout(timeoutMs);
  const stop = signal === undefined ? limit : AbortSignal.any([signal, limit]);
  const alpn = protocol === undefined ? {} : { ALPNProtocols: [protocol] };
  const socket = connect({ ...tlsOptions, ...alpn, ...to });
  try {
    await handshake(socket, stop);
    // Node does not ask for the identity on a resumed session.
    if (peer === undefined || !socket.authorized) {
      throw new CodedError('unauthenticated', 'TLS peer is not authenticated');
    }
    if (protocol !== undefined && socket.alpnProtocol !== protocol) {
      throw new CodedError('unavailable', `TLS connection: peer does not speak ${protocol}`);
    }
    takePeer({ socket, peer, own }, options.source);
    return socket;
  } catch (thrown) {
    socket.destroy();
    if ('socket' in to) to.socket.destroy();
    if (thrown instanceof CodedError) throw thrown;
    // Set by Node when OpenSSL refused the chain; otherwise there was no TLS, or nobody.
    const code = socket.authorizationError ? 'unauthenticated' : 'unavailable';
    const { message } = CodedError.from(thrown);
    throw new CodedError(code, `TLS connection: ${message}`, { cause: thrown });
  }
}

async function handshake(socket: TLSSocket, stop: AbortSignal): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const onAbort = () => reject(new CodedError('unavailable', 'TLS connection: given up'));
  const onClose = () => reject(new CodedError('unavailable', 'TLS connection: closed by the peer'));
  socket.once('secureConnect', resolve);
  socket.once('error', reject);
  socket.once('close', onClose);
  stop.addEventListener('abort', onAbort, { once: true });
  if (stop.aborted) onAbort();
  try {
    await promise;
    socket.off('error', reject);
  } finally {
    socket.off('close', onClose);
    stop.removeEventListener('abort', onAbort);
  }
}

/**
 * An agent for `https.request` whose every connection is to a peer that `authorize` accepts. Agents
 * of different authorizers share nothing: a pooled connection is never used for another peer.
 */
export function httpsAgent(check: PeerCheck, options: AgentOptions = {}): Agent {
  return new SpiffeAgent(check, options);
}

type Receive = (error: Error | null, socket?: Duplex) => void;

class SpiffeAgent extends Agent {
  readonly #check: PeerCheck;

  constructor(check: PeerCheck, options: AgentOptions) {
    super({ ...options, maxCachedSessions: 0 });
    this.#check = check;
  }

  /** Nothing of the request's own TLS options counts. */
  override createConnection(
    request: ClientRequestArgs,
    done?: (error: Error | null, socket: Duplex) => void,
  ): undefined {
    // Node's type leaves no room for a failure without a socket; Node itself does.
    if (done !== undefined) void this.#hand(request, done as Receive);
  }

  async #hand(request: ClientRequestArgs, done: Receive): Promise<void> {
    let socket: TLSSocket;
    try {
      socket = await this.#connect(request);
    } catch (thrown) {
      done(CodedError.from(thrown));
      return;
    }
    done(null, socket);
  }

  async #connect({ host, port, socketPath }: ClientRequestArgs): Promise<TLSSocket> {
    const to =
      typeof socketPath === 'string'
        ? { path: socketPath }
        : { host: host ?? 'localhost', port: Number(port ?? 443) };
    return await connectTls({ ...this.#check, to });
  }
}
