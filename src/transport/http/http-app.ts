// Routes as one fastify application: bodies are handed on as bytes, errors say nothing of what is
// inside, and every request leaves one line in the log.

import { STATUS_CODES } from 'node:http';
import type { Server, ServerOptions } from 'node:https';
import type { Socket } from 'node:net';
import { type FastifyInstance, type FastifyReply, type FastifyRequest, fastify } from 'fastify';
import type { Logger } from '../../base/log.ts';
import { type HttpLimits, toServerOptions } from './http-limits.ts';
import { type HttpAnswer, type HttpRoute, httpError } from './http-route.ts';

export type HttpAppOptions = {
  readonly routes: readonly HttpRoute[];
  readonly limits: HttpLimits;
  readonly log: Logger;
};

export type HttpApp = FastifyInstance<Server>;

const JSON_TYPE = 'application/json';

/** `tls` is what Node's TLS server takes; the application listens nowhere yet. */
export function createHttpApp(options: HttpAppOptions, tls: ServerOptions): HttpApp {
  const { routes, limits, log } = options;
  const app: HttpApp = fastify<Server>({
    https: { ...toServerOptions(limits), ...tls },
    bodyLimit: limits.maxBodyBytes,
    requestTimeout: limits.requestTimeoutMs,
    keepAliveTimeout: limits.idleTimeoutMs,
    connectionTimeout: limits.idleTimeoutMs,
    forceCloseConnections: false,
    exposeHeadRoutes: false,
    requestIdHeader: false,
    trustProxy: false,
    logger: false,
    clientErrorHandler: (error, socket) => refuseConnection(error, socket, log),
    frameworkErrors: (error, _request, reply) => {
      // A URL that is none. Fastify's own answer would quote it.
      const answer = httpError(clientStatus(error) ?? 500);
      const plain = reply as unknown as FastifyReply;
      void plain.code(answer.status).type(JSON_TYPE).send(answer.body);
    },
  });
  app.server.maxHeadersCount = limits.maxHeaders;
  app.removeAllContentTypeParsers();
  app.addContentTypeParser(JSON_TYPE, { parseAs: 'buffer' }, (_request, body, done) => {
    done(null, body);
  });
  app.setErrorHandler(async (error, request, reply) => {
    const status = clientStatus(error);
    if (status === undefined) log.error({ ...placeOf(request), err: error }, 'A request failed');
    return await send(reply, httpError(status ?? 500));
  });
  app.setNotFoundHandler(async ({ url }, reply) => {
    const path = url.split('?', 1)[0] ?? '';
    const allow = routes.filter((route) => route.path === path).map(({ method }) => method);
    if (allow.length === 0) return await send(reply, httpError(404));
    return await send(reply.header('allow', allow.join(', ')), httpError(405));
  });
  app.addHook('onResponse', async (request, reply) => {
    const code = String(reply.statusCode);
    log.debug({ ...placeOf(request), code, durationMs: reply.elapsedTime }, 'Answered a request');
  });
  for (const { method, path, handle } of routes) {
    app.route({
      method,
      url: path,
      handler: async ({ body, headers }, reply) => {
        const bytes = Buffer.isBuffer(body) ? body : new Uint8Array();
        const { host, 'if-none-match': ifNoneMatch } = headers;
        return await send(reply, await handle({ body: bytes, host, ifNoneMatch }));
      },
    });
  }
  return app;
}

async function send(reply: FastifyReply, answer: HttpAnswer): Promise<string | Buffer> {
  const { status, body, type = JSON_TYPE, headers } = answer;
  // No browser is to guess at a type.
  reply.code(status).type(type).header('x-content-type-options', 'nosniff');
  reply.headers(headers ?? { 'cache-control': 'no-store' });
  return typeof body === 'string' ? body : Buffer.from(body);
}

/** The route and not the URL, which a peer writes. */
function placeOf({ method, routeOptions }: FastifyRequest) {
  return { method, path: routeOptions.url ?? 'none' };
}

/** The status of an error that the client made, as fastify marks it; undefined for one of ours. */
function clientStatus(error: unknown): number | undefined {
  if (!(error instanceof Error) || !('statusCode' in error)) return undefined;
  const { statusCode } = error;
  return typeof statusCode === 'number' && statusCode >= 400 && statusCode < 500
    ? statusCode
    : undefined;
}

const CONNECTION_ERRORS: ReadonlyMap<string, number> = new Map([
  ['HPE_HEADER_OVERFLOW', 431],
  ['ERR_HTTP_REQUEST_TIMEOUT', 408],
]);

/** What is no HTTP, too large or too slow; it never becomes a request. */
function refuseConnection(error: NodeJS.ErrnoException, socket: Socket, log: Logger): void {
  const status = CONNECTION_ERRORS.get(error.code ?? '') ?? 400;
  log.debug({ code: String(status), reason: error.code ?? 'none' }, 'A connection failed');
  if (!socket.writable || error.code === 'ECONNRESET') {
    socket.destroy();
    return;
  }
  const head = `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? 'Error'}`;
  socket.end(`${head}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`, () => socket.destroy());
}
