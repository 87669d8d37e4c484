// A bundle endpoint as peers run one, on loopback, that can do everything wrong.

import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
import { formatPemCertificate } from '../../../src/spiffe/pem.ts';
import type { TestSvid } from '../../fakes/test-ca.ts';

export type Respond = (request: IncomingMessage, response: ServerResponse) => void;

export class PeerServer {
  readonly requests: { readonly url: string; readonly host: string }[] = [];
  handshakes = 0;
  respond: Respond;
  readonly #server: Server;
  readonly #sockets = new Set<Duplex>();

  private constructor(svid: TestSvid, respond: Respond) {
    this.respond = respond;
    this.#server = createServer(tlsOf(svid), (request, response) => {
      this.requests.push({ url: request.url ?? '', host: request.headers.host ?? '' });
      this.respond(request, response);
    });
    this.#server.on('connection', (socket) => {
      this.#sockets.add(socket);
      socket.on('error', () => {});
    });
    this.#server.on('secureConnection', () => {
      this.handshakes += 1;
    });
    this.#server.on('tlsClientError', () => {});
  }

  static async start(svid: TestSvid, respond: Respond): Promise<PeerServer> {
    const server = new PeerServer(svid, respond);
    await new Promise<void>((resolve) => {
      server.#server.listen(0, '127.0.0.1', resolve);
    });
    return server;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  url(host = 'localhost', path = '/bundle'): string {
    return `https://${host}:${this.port}${path}`;
  }

  /** Another certificate for connections from now on. */
  show(svid: TestSvid): void {
    this.#server.setSecureContext(tlsOf(svid));
  }

  async stop(): Promise<void> {
    const closed = new Promise<void>((resolve) => {
      this.#server.close(() => resolve());
    });
    for (const socket of this.#sockets) socket.destroy();
    await closed;
  }
}

function tlsOf({ chain, privateKey }: TestSvid) {
  return {
    cert: chain.map(formatPemCertificate).join(''),
    key: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
  };
}

export function answerWith(body: string | Uint8Array, more: Record<string, string> = {}): Respond {
  return (_request, response) => {
    response.writeHead(200, { 'content-type': 'application/json', ...more });
    response.end(body);
  };
}

export function redirectTo(location: string, status = 302): Respond {
  return (_request, response) => {
    response.writeHead(status, { location });
    response.end();
  };
}
