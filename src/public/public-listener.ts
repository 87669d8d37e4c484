// Documents that anybody may read, over HTTPS on a port of their own: GET and HEAD, for the host names
// that are ours, with the time for which they may be kept. A peer chooses nothing but one of them.

import { hash } from 'node:crypto';
import { aborted } from '../base/aborted.ts';
import type { Latest } from '../base/latest.ts';
import type { Logger } from '../base/log.ts';
import type { HttpLimits } from '../transport/http/http-limits.ts';
import {
  type HttpAnswer,
  type HttpRequest,
  type HttpRoute,
  httpError,
} from '../transport/http/http-route.ts';
import { HttpsServer, type TlsCertificate } from '../transport/http/https-server.ts';

export type PublicDocument = {
  readonly path: string;
  /** Media type. */
  readonly type: string;
  /** How long others may keep it. */
  readonly maxAgeSeconds: number;
  /** Undefined while there is none, which is answered with 503. */
  readonly read: () => string | Uint8Array | undefined;
};

export type PublicListenerOptions = {
  /** What it serves, for the log. */
  readonly name: string;
  readonly address: { readonly port: number; readonly host?: string };
  readonly documents: readonly PublicDocument[];
  /** Lower-case names, without a port, under which it answers; left out: any. */
  readonly hosts?: ReadonlySet<string>;
  readonly certificate: Latest<TlsCertificate>;
  readonly log: Logger;
  readonly limits?: Partial<HttpLimits>;
  /** Called once it answers. */
  readonly onListening?: (port: number) => void;
};

/** Requests have no body. */
const LIMITS: Partial<HttpLimits> = { maxBodyBytes: 1, maxHeaderBytes: 8 * 1024, maxHeaders: 64 };

/** Waits for a certificate, then answers until aborted; rejects when it cannot listen. */
export async function servePublic(
  options: PublicListenerOptions,
  signal: AbortSignal,
): Promise<void> {
  const { name, address, documents, hosts, certificate, log } = options;
  await certificate.first(() => true, signal);
  if (signal.aborted) return;
  const server = new HttpsServer({
    address,
    certificate,
    log,
    routes: documents.flatMap((document) => routesOf(document, hosts)),
    limits: { ...LIMITS, ...options.limits },
  });
  await server.start();
  try {
    const port = server.port ?? 0;
    log.info({ reason: name, settings: { port } }, 'Serves public documents');
    options.onListening?.(port);
    await aborted(signal);
  } finally {
    await server.close();
  }
}

function routesOf(
  document: PublicDocument,
  hosts: ReadonlySet<string> | undefined,
): readonly HttpRoute[] {
  const { path } = document;
  const handle = (request: HttpRequest) => answer(document, request, hosts);
  return (['GET', 'HEAD'] as const).map((method) => ({ method, path, handle }));
}

function answer(
  { type, maxAgeSeconds, read }: PublicDocument,
  { host = '', ifNoneMatch = '' }: HttpRequest,
  hosts: ReadonlySet<string> | undefined,
): HttpAnswer {
  // RFC 9110 §7.4: a request that was meant for somebody else. Forwarded names are not looked at.
  if (hosts !== undefined && !hosts.has(nameOf(host))) return httpError(421);
  const body = read();
  if (body === undefined) return httpError(503);
  const tag = `"${hash('sha256', body, 'base64url').slice(0, 22)}"`;
  const headers = { etag: tag, 'cache-control': `public, max-age=${maxAgeSeconds}` };
  const isKnown = ifNoneMatch.split(',').some((each) => each.trim().replace(/^W\//, '') === tag);
  return isKnown ? { status: 304, body: '', headers } : { status: 200, body, type, headers };
}

function nameOf(host: string): string {
  return host.toLowerCase().replace(/:\d+$/, '');
}
