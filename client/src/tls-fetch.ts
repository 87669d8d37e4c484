// HTTP over connections to verified peers, for what speaks in terms of fetch: a `fetch` of our own that
// needs no package, what undici needs to make connections, and HTTP/2 sessions.

import type { IncomingMessage } from 'node:http';
import { type ClientHttp2Session, connect } from 'node:http2';
import { type Agent, request as httpsRequest } from 'node:https';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { TLSSocket } from 'node:tls';
import { CodedError, invalid } from '../../src/base/errors.ts';
import type { PeerCheck } from './peer-identity.ts';
import { type ConnectTlsOptions, connectTls, httpsAgent } from './tls-client.ts';

/** Statuses whose answers have no body (Fetch, "null body status"). */
const NO_BODY: ReadonlySet<number> = new Set([101, 204, 205, 304]);

/**
 * A `fetch` whose every connection is to a peer that `authorize` accepts; connections are kept. URLs
 * are https; redirects are not followed, but returned as they are. Rejects with a `CodedError`.
 */
export function tlsFetch(check: PeerCheck): typeof globalThis.fetch {
  const agent = httpsAgent(check, { keepAlive: true });
  return async (input, init) => {
    const request = new Request(input, init);
    if (!request.url.startsWith('https:')) throw invalid('url: must be https');
    try {
      // What is there already goes with its length; some servers take no chunks.
      const isStream = input instanceof Request || init?.body instanceof ReadableStream;
      const body = isStream ? request.body : await request.arrayBuffer();
      return await exchange(request, body, agent);
    } catch (thrown) {
      if (request.signal.aborted) throw request.signal.reason;
      if (thrown instanceof CodedError) throw thrown;
      const { message } = CodedError.from(thrown);
      throw new CodedError('unavailable', `fetch: ${message}`, { cause: thrown });
    }
  };
}

async function exchange(
  request: Request,
  body: ArrayBuffer | ReadableStream<Uint8Array> | null,
  agent: Agent,
): Promise<Response> {
  const { promise, resolve, reject } = Promise.withResolvers<Response>();
  const { method, signal } = request;
  const headers = Object.fromEntries(request.headers);
  const outgoing = httpsRequest(request.url, { agent, method, headers, signal });
  outgoing.once('error', reject);
  outgoing.once('response', (incoming) => {
    try {
      resolve(responseOf(incoming, request));
    } catch (thrown) {
      // A status or header that no `Response` can have.
      incoming.destroy();
      reject(thrown);
    }
  });
  if (body instanceof ReadableStream) {
    void pipeline(Readable.fromWeb(body), outgoing).catch(reject);
  } else if (body === null || body.byteLength === 0) {
    outgoing.end();
  } else {
    outgoing.setHeader('content-length', body.byteLength);
    outgoing.end(Buffer.from(body));
  }
  return await promise;
}

function responseOf(incoming: IncomingMessage, { method, redirect }: Request): Response {
  const { statusCode: status = 0, statusMessage: statusText = '', rawHeaders } = incoming;
  if (redirect === 'error' && status >= 300 && status < 400 && status !== 304) {
    throw new CodedError('failed-precondition', 'fetch: redirected, which the request forbids');
  }
  const headers = rawHeaders.flatMap((name, index) =>
    index % 2 === 0 ? [[name, rawHeaders[index + 1] ?? ''] as [string, string]] : [],
  );
  const isEmpty = NO_BODY.has(status) || method === 'HEAD';
  const response = new Response(
    isEmpty ? null : (Readable.toWeb(incoming) as ReadableStream<Uint8Array>),
    { status, statusText, headers },
  );
  if (isEmpty) incoming.resume();
  return response;
}

/** What undici asks a connector for, as far as it is needed. */
type UndiciTarget = {
  readonly hostname: string;
  readonly port: string;
  readonly protocol: string;
};
type UndiciDone = (
  ...result: [error: null, socket: TLSSocket] | [error: Error, none: null]
) => void;

/** For `new Agent({ connect: undiciConnector(check) })` of undici; plain http is refused. */
export function undiciConnector(check: PeerCheck): (to: UndiciTarget, done: UndiciDone) => void {
  return ({ hostname, port, protocol }, done) => {
    void (async () => {
      let socket: TLSSocket;
      try {
        if (protocol !== 'https:') throw invalid('url: must be https');
        const host = hostname.replace(/^\[(.*)\]$/, '$1');
        socket = await connectTls({ ...check, to: { host, port: Number(port || 443) } });
      } catch (thrown) {
        done(CodedError.from(thrown), null);
        return;
      }
      done(null, socket);
    })();
  };
}

/** An HTTP/2 session with a verified peer. It ends with its connection; a new one has the new SVID. */
export async function connectHttp2(
  options: Omit<ConnectTlsOptions, 'protocol'>,
): Promise<ClientHttp2Session> {
  const socket = await connectTls({ ...options, protocol: 'h2' });
  const authority = 'host' in options.to ? `https://${bracketed(options.to)}` : 'https://localhost';
  return connect(authority, { createConnection: () => socket });
}

function bracketed({ host, port }: { readonly host: string; readonly port: number }): string {
  return `${host.includes(':') ? `[${host}]` : host}:${port}`;
}
