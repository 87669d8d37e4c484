// A token endpoint: gives each request, read by its content type, to a handler. On loopback, or by TLS
// where it is told to be.

import {
  createServer,
  type IncomingHttpHeaders,
  type RequestListener,
  type Server,
} from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';

export type TokenCall = {
  readonly method: string;
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly fields: Readonly<Record<string, string>>;
};

export type TokenReply = {
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body: string | object;
};

export type TlsPlace = { readonly port: number; readonly cert: string; readonly key: string };

export class TokenEndpoint {
  readonly calls: TokenCall[] = [];
  handle: (call: TokenCall) => TokenReply | Promise<TokenReply>;
  readonly #answer: RequestListener;
  #server: Server;

  constructor(handle: TokenEndpoint['handle']) {
    this.handle = handle;
    this.#answer = (request, response) => {
      void (async () => {
        let text = '';
        for await (const part of request) text += String(part);
        const { method = '', url: path = '', headers } = request;
        const call = { method, path, headers, fields: read(text, headers['content-type']) };
        this.calls.push(call);
        const { status = 200, headers: more = {}, body } = await this.handle(call);
        const isText = typeof body === 'string';
        response.writeHead(status, {
          'content-type': isText ? 'text/plain' : 'application/json',
          ...more,
        });
        response.end(isText ? body : JSON.stringify(body));
      })();
    };
    this.#server = createServer(this.#answer);
  }

  async start(): Promise<void> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve));
  }

  /** On all addresses, instead of `start`. */
  async startTls({ port, cert, key }: TlsPlace): Promise<void> {
    this.#server = createTlsServer({ cert, key }, this.#answer);
    await new Promise<void>((resolve) => this.#server.listen(port, resolve));
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  close(): void {
    this.#server.close();
    this.#server.closeAllConnections();
  }
}

function read(text: string, type = ''): Record<string, string> {
  if (type === 'application/json') return JSON.parse(text) as Record<string, string>;
  return Object.fromEntries(new URLSearchParams(text));
}
