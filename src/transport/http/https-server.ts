// An HTTPS server whose certificate changes while it runs: new handshakes get the newest one, and
// neither the listener nor an open connection is touched.

import { constants } from 'node:crypto';
import type { AddressInfo, Socket } from 'node:net';
import type { SecureContextOptions } from 'node:tls';
import { AddressCounts } from '../../base/address-counts.ts';
import { CodedError } from '../../base/errors.ts';
import type { Latest } from '../../base/latest.ts';
import type { Logger } from '../../base/log.ts';
import { createHttpApp, type HttpApp } from './http-app.ts';
import { DEFAULT_HTTP_LIMITS, type HttpLimits } from './http-limits.ts';
import type { HttpRoute } from './http-route.ts';

/** PEM: the leaf first, and a private key in PKCS#8. */
export type TlsCertificate = { readonly cert: string; readonly key: string };

export type HttpsServerOptions = {
  readonly address: { readonly port: number; readonly host?: string };
  readonly certificate: Latest<TlsCertificate>;
  readonly routes: readonly HttpRoute[];
  readonly log: Logger;
  readonly limits?: Partial<HttpLimits>;
  /** PEM. When given, a client must show a certificate of one of these. */
  readonly clientAuthorities?: string;
};

/** How long requests that are under way may take at the end. */
const CLOSE_GRACE_MS = 2000;

export class HttpsServer {
  readonly #options: HttpsServerOptions;
  readonly #sockets = new Set<Socket>();
  readonly #stopping = new AbortController();
  #app: HttpApp | undefined;
  #reloading: Promise<void> = Promise.resolve();

  constructor(options: HttpsServerOptions) {
    this.#options = options;
  }

  /** Where it listens, once it does. */
  get port(): number | undefined {
    const address: AddressInfo | string | null | undefined = this.#app?.server.address();
    return typeof address === 'object' ? address?.port : undefined;
  }

  /** Listens; there must be a certificate. Resolves when connections are accepted. */
  async start(): Promise<void> {
    const { address, certificate, routes, log, clientAuthorities } = this.#options;
    const current = certificate.value;
    if (current === undefined) throw new CodedError('unavailable', 'no serving certificate yet');
    if (this.#app !== undefined) throw new CodedError('failed-precondition', 'already started');
    const limits = { ...DEFAULT_HTTP_LIMITS, ...this.#options.limits };
    const app = createHttpApp(
      { routes, limits, log },
      {
        ...contextOf(current, clientAuthorities),
        ALPNProtocols: ['http/1.1'],
        requestCert: clientAuthorities !== undefined,
        rejectUnauthorized: true,
      },
    );
    this.#app = app;
    this.#guard(app, limits);
    try {
      await app.listen({ port: address.port, host: address.host ?? '::' });
    } catch (thrown) {
      this.#app = undefined;
      throw new CodedError('unavailable', 'cannot listen', { cause: thrown });
    }
    this.#reloading = this.#reload(app);
  }

  /** Answers what is under way for a moment, then closes every connection. */
  async close(): Promise<void> {
    const app = this.#app;
    this.#app = undefined;
    this.#stopping.abort();
    await this.#reloading;
    if (app === undefined) return;
    const force = setTimeout(() => {
      for (const socket of this.#sockets) socket.destroy();
    }, CLOSE_GRACE_MS);
    await app.close();
    clearTimeout(force);
  }

  #guard(app: HttpApp, limits: HttpLimits): void {
    const { log } = this.#options;
    const { server } = app;
    server.maxConnections = limits.maxConnections;
    const counts = new AddressCounts(limits.maxPerAddress);
    // Before Node's own listener, which begins the handshake.
    server.prependListener('connection', (socket: Socket) => {
      this.#sockets.add(socket);
      socket.once('close', () => this.#sockets.delete(socket));
      counts.admit(socket);
    });
    server.on('tlsClientError', (err, socket) => {
      log.debug({ err }, 'A TLS handshake failed');
      socket.destroy();
    });
    server.on('error', (err) => log.error({ err }, 'The listener failed'));
  }

  async #reload(app: HttpApp): Promise<void> {
    const { certificate, clientAuthorities, log } = this.#options;
    for await (const next of certificate.watch(this.#stopping.signal)) {
      try {
        app.server.setSecureContext(contextOf(next, clientAuthorities));
        log.info({}, 'Took up a serving certificate');
      } catch (err) {
        // The one in use may still be good; a webhook that is gone stops pods.
        log.error({ err }, 'A serving certificate cannot be used, the last one stays');
      }
    }
  }
}

// Mozilla's intermediate list for TLS 1.2: forward secrecy and AEAD only. TLS 1.3 has its own.
const TLS12_CIPHERS = [
  'ECDHE-ECDSA-AES128-GCM-SHA256',
  'ECDHE-RSA-AES128-GCM-SHA256',
  'ECDHE-ECDSA-AES256-GCM-SHA384',
  'ECDHE-RSA-AES256-GCM-SHA384',
  'ECDHE-ECDSA-CHACHA20-POLY1305',
  'ECDHE-RSA-CHACHA20-POLY1305',
];
const TLS13_CIPHERS = [
  'TLS_AES_128_GCM_SHA256',
  'TLS_AES_256_GCM_SHA384',
  'TLS_CHACHA20_POLY1305_SHA256',
];

function contextOf(
  { cert, key }: TlsCertificate,
  clientAuthorities: string | undefined,
): SecureContextOptions {
  return {
    cert,
    key,
    ...(clientAuthorities === undefined ? {} : { ca: clientAuthorities }),
    minVersion: 'TLSv1.2',
    ciphers: [...TLS13_CIPHERS, ...TLS12_CIPHERS].join(':'),
    // A resumed session would outlive the certificate that it was made with.
    secureOptions: constants.SSL_OP_NO_TICKET,
  };
}
