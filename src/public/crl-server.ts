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
  let kept: Kept | undefined;
  const documents = (): Documents | undefined => {
    const { value } = crls;
    if (value !== undefined && kept?.of !== value)
      kept = { of: value, documents: toDocuments(value) };
    return value && kept?.documents;
  };
  const server = createServer(
    { maxHeaderSize: MAX_HEADER_BYTES, requestTimeout: TIMEOUT_MS, headersTimeout: TIMEOUT_MS },
    (request, response) => {
      request.resume();
      answer(request, response, documents());
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
  documents: Documents | undefined,
): void {
  if (method !== 'GET' && method !== 'HEAD') return refuse(response, 405);
  if (documents === undefined) return refuse(response, 503);
  const found = documents.get(url);
  if (found === undefined) return refuse(response, 404);
  const { type, body, headers: common } = found;
  if (headers['if-none-match'] === common['etag']) {
    response.writeHead(304, common).end();
    return;
  }
  response.writeHead(200, { ...common, 'content-type': type, 'content-length': body.length });
  response.end(method === 'HEAD' ? undefined : body);
}

type Document = {
  readonly type: string;
  readonly body: Buffer;
  readonly headers: Readonly<Record<string, string>>;
};
/** By path. */
type Documents = ReadonlyMap<string, Document>;
/** Made once for each set: whoever asks need not be known, and may ask often. */
type Kept = { readonly of: readonly PublishedCrl[]; readonly documents: Documents };

function toDocuments(crls: readonly PublishedCrl[]): Documents {
  const documents = new Map<string, Document>();
  const pem = Buffer.from(crls.map(({ crl }) => formatPemCrl(crl.der)).join(''));
  const all = {
    thisUpdate: Math.max(...crls.map(({ crl }) => crl.thisUpdate)),
    nextUpdate: Math.min(...crls.map(({ crl }) => crl.nextUpdate)),
  };
  documents.set(COMPLETE_PATH, toDocument('application/x-pem-file', pem, all));
  for (const { crl } of crls) {
    const id = Buffer.from(crl.authorityKeyIdentifier).toString('hex');
    // RFC 2585 §4.
    const document = toDocument('application/pkix-crl', Buffer.from(crl.der), crl);
    if (!documents.has(`/crl/${id}.crl`)) documents.set(`/crl/${id}.crl`, document);
  }
  return documents;
}

function toDocument(
  type: string,
  body: Buffer,
  { thisUpdate, nextUpdate }: { readonly thisUpdate: number; readonly nextUpdate: number },
): Document {
  const headers = {
    etag: `"${hash('sha256', body, 'base64url').slice(0, 22)}"`,
    'cache-control': `public, max-age=${MAX_AGE_SECONDS}`,
    'last-modified': new Date(thisUpdate).toUTCString(),
    expires: new Date(nextUpdate).toUTCString(),
    'x-content-type-options': 'nosniff',
  };
  return { type, body, headers };
}

function refuse(response: ServerResponse, status: number): void {
  response.writeHead(status, { 'cache-control': 'no-store', 'content-length': 0 }).end();
}
