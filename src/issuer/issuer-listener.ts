// The TLS endpoint of the issuer: a port, or a Unix path in dev mode. It hands decrypted sockets on
// and takes up a new certificate without a pause.

import { constants } from 'node:crypto';
import { chmod } from 'node:fs/promises';
import type { AddressInfo, Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { createServer, type SecureContextOptions, type Server, type TLSSocket } from 'node:tls';
import { AddressCounts } from '../base/address-counts.ts';
import { CodedError } from '../base/errors.ts';
import type { Latest } from '../base/latest.ts';
import type { Logger } from '../base/log.ts';
import { formatPemCertificate } from '../spiffe/pem.ts';
import type { ServingCredentials, SigningAuthorities } from './authority/signing-authorities.ts';

export type ListenAddress =
  | { readonly path: string }
  | { readonly port: number; readonly host?: string };

export type IssuerListenerOptions = {
  readonly address: ListenAddress;
  readonly authorities: Latest<SigningAuthorities>;
  readonly accept: (connection: Duplex) => void;
  readonly log: Logger;
  readonly maxConnections?: number;
  /** Of one IP address, whether or not they ever speak. */
  readonly maxPerAddress?: number;
};

const HANDSHAKE_TIMEOUT_MS = 5000;
/** A cluster of 5,000 nodes over two replicas, with room for reconnects. */
const MAX_CONNECTIONS = 8192;
/** A node plugin needs one, two while it is replaced; no pod shall take the places of others. */
const MAX_PER_ADDRESS = 32;

export class IssuerListener {
  readonly #options: IssuerListenerOptions;
  readonly #sockets = new Set<TLSSocket>();
  #server: Server | undefined;

  constructor(options: IssuerListenerOptions) {
    this.#options = options;
  }

  /** Where it listens, once it does: the port, or undefined for a path. */
  get port(): number | undefined {
    const address: AddressInfo | string | null | undefined = this.#server?.address();
    return typeof address === 'object' ? address?.port : undefined;
  }

  /** Listens; there must be authorities. Resolves when connections are accepted. */
  async start(): Promise<void> {
    const { authorities, address, accept, log } = this.#options;
    const current = authorities.value;
    if (current === undefined) throw new CodedError('unavailable', 'no serving certificate yet');
    const server = createServer(
      {
        ...contextOf(current.serving),
        ALPNProtocols: ['h2'],
        handshakeTimeout: HANDSHAKE_TIMEOUT_MS,
        noDelay: true,
      },
      (socket) => {
        this.#sockets.add(socket);
        socket.on('close', () => this.#sockets.delete(socket));
        socket.on('error', (err) => log.debug({ err }, 'A connection failed'));
        accept(socket);
      },
    );
    const counts = new AddressCounts(this.#options.maxPerAddress ?? MAX_PER_ADDRESS);
    // Before Node's own listener, which begins the handshake.
    server.prependListener('connection', (socket: Socket) => counts.admit(socket));
    server.maxConnections = this.#options.maxConnections ?? MAX_CONNECTIONS;
    server.on('tlsClientError', (err, socket) => {
      log.debug({ err }, 'A TLS handshake failed');
      socket.destroy();
    });
    await listen(server, address);
    server.on('error', (err) => log.error({ err }, 'The listener failed'));
    this.#server = server;
  }

  /** Takes up each new certificate until aborted, then closes. */
  async run(signal: AbortSignal): Promise<void> {
    for await (const { serving } of this.#options.authorities.watch(signal)) {
      this.#server?.setSecureContext(contextOf(serving));
    }
    await this.close();
  }

  async close(): Promise<void> {
    const server = this.#server;
    this.#server = undefined;
    if (server === undefined) return;
    const closed = new Promise<void>((resolve) => {
      server.close(() => resolve());
    });
    for (const socket of this.#sockets) socket.destroy();
    await closed;
  }
}

async function listen(server: Server, address: ListenAddress): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen('path' in address ? { path: address.path } : address, () => {
      server.off('error', reject);
      resolve();
    });
  });
  if ('path' in address) await chmod(address.path, 0o600);
}

function contextOf({ chain, privateKey }: ServingCredentials): SecureContextOptions {
  return {
    cert: chain.map(formatPemCertificate).join(''),
    // Node takes keys for TLS as PEM or PKCS#8 only.
    key: privateKey.export({ type: 'pkcs8', format: 'pem' }),
    minVersion: 'TLSv1.2',
    // A resumed session would outlive the certificate that it was made with.
    secureOptions: constants.SSL_OP_NO_TICKET,
  };
}
