// Revocation lists over plain HTTP, as their readers expect them: they are signed, and whoever checks a
// certificate cannot yet trust one (RFC 5280 §8). One list by its issuer's key identifier, and all together.

import { hash } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { PublishedCrl } from '../authorities/revocation-document.ts';
import { aborted } from '../base/aborted.ts';
import { AddressCounts } from '../base/address-counts.ts';
import { CodedError } from '../base/errors.ts';
import type { Latest } from '../base/latest.ts';
import { formatPemCrl } from '../spiffe/pem.ts';

export type CrlServerOptions = {
  readonly address: { readonly port: number; readonly host?: string };
  readonly crls: Latest<readonly PublishedCrl[]>;
  /** Called once it answers. */
  readonly onListening?: (port: number) => void;
};

/** Every list as PEM, as nginx and PostgreSQL take them. */
export const COMPLETE_PATH = '/crl/complete.pem';

/** A new one may be there a moment after a suspension. */
const MAX_AGE_SECONDS = 10;
const TIMEOUT_MS = 5000;
const MAX_HEADER_BYTES = 4096;
const MAX_CONNECTIONS = 512;
const MAX_PER_ADDRESS = 64;

/** Answers until aborted; rejects when it cannot listen. */
export async function serveCrls(options: CrlServerOptions, signal: AbortSignal): Promise<void> {
  const { address, crls, onListening } = options;
  const server = createServer(
    { maxHeaderSize: MAX_HEADER_BYTES, requestTimeout: TIMEOUT_MS, headersTimeout: TIMEOUT_MS },
    (request, response) => {
      request.resume();
      answer(request, response, crls.value);
    },
  );
  server.maxConnections = MAX_CONNECTIONS;
  server.keepAliveTimeout = TIMEOUT_MS;
  const counts = new AddressCounts(MAX_PER_ADDRESS);
  server.prependListener('connection', (socket) => counts.admit(socket));
  await listen(server, address);
  try {
    onListening?.((server.address() as AddressInfo).port);
    await aborted(signal);
  } finally {
    const closed = new Promise<void>((resolve) => {
      server.close(() => resolve());
    });
    server.closeAllConnections();
    await closed;
  }
}

async function listen(server: Server, address: CrlServerOptions['address']): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    const onError = (cause: unknown) => {
      reject(new CodedError('unavailable', 'cannot listen for readers of lists', { cause }));
    };
    server.once('error', onError);
    server.listen(address, () => {
      server.off('error', onError);
      resolve();
    });
  });
}

function answer(
  { method, url = '', headers }: IncomingMessage,
  response: ServerResponse,
  crls: readonly PublishedCrl[] | undefined,
): void {
  if (method !== 'GET' && method !== 'HEAD') return refuse(response, 405);
  if (crls === undefined) return refuse(response, 503);
  const found = documentAt(url, crls);
  if (found === undefined) return refuse(response, 404);
  const { type, body, thisUpdate, nextUpdate } = found;
  const tag = `"${hash('sha256', body, 'base64url').slice(0, 22)}"`;
  const common = {
    etag: tag,
    'cache-control': `public, max-age=${MAX_AGE_SECONDS}`,
    'last-modified': new Date(thisUpdate).toUTCString(),
    expires: new Date(nextUpdate).toUTCString(),
    'x-content-type-options': 'nosniff',
  };
  if (headers['if-none-match'] === tag) {
    response.writeHead(304, common).end();
    return;
  }
  response.writeHead(200, { ...common, 'content-type': type, 'content-length': body.length });
  response.end(method === 'HEAD' ? undefined : body);
}

function documentAt(url: string, crls: readonly PublishedCrl[]) {
  if (url === COMPLETE_PATH) {
    return {
      type: 'application/x-pem-file',
      body: Buffer.from(crls.map(({ crl }) => formatPemCrl(crl.der)).join('')),
      thisUpdate: Math.max(...crls.map(({ crl }) => crl.thisUpdate)),
      nextUpdate: Math.min(...crls.map(({ crl }) => crl.nextUpdate)),
    };
  }
  const [, id] = /^\/crl\/([0-9a-f]{1,64})\.crl$/.exec(url) ?? [];
  const crl = crls
    .map((each) => each.crl)
    .find(({ authorityKeyIdentifier: of }) => Buffer.from(of).toString('hex') === id);
  // RFC 2585 §4.
  return crl && { ...crl, type: 'application/pkix-crl', body: Buffer.from(crl.der) };
}

function refuse(response: ServerResponse, status: number): void {
  response.writeHead(status, { 'cache-control': 'no-store', 'content-length': 0 }).end();
}
