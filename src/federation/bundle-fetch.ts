// One fetch of one bundle document over HTTPS (SPIFFE Federation §5.2): to addresses that the rules let
// through, to the endpoint that was declared and no other, along few redirects that are endpoints
// themselves, within caps on time and size. Nothing here knows what was fetched before.

import { createHash } from 'node:crypto';
import { lookup } from 'node:dns/promises';
import type { IncomingMessage } from 'node:http';
import { request } from 'node:https';
import { isIP } from 'node:net';
import type { ConnectionOptions } from 'node:tls';
import { aborted } from '../base/aborted.ts';
import type { Clock } from '../base/clock.ts';
import { CodedError } from '../base/errors.ts';
import {
  MAX_BUNDLE_BYTES,
  type ParsedBundle,
  parseSpiffeBundle,
} from '../spiffe/bundle/bundle-parse.ts';
import type { TrustDomain } from '../spiffe/spiffe-id.ts';
import type { AddressRules } from './address-rules.ts';
import { type EndpointTrust, endpointTls } from './endpoint-tls.ts';
import { fetchError } from './fetch-failure.ts';

export type FetchRequest = {
  /** As declared; every fetch begins here (§7.5.1). */
  readonly url: string;
  readonly trustDomain: TrustDomain;
  readonly trust: EndpointTrust;
};

export type FetchedBundle = ParsedBundle & {
  /** SHA-256 of the document, in hex. */
  readonly digest: string;
  /** How the endpoint proved who it is: a name, or a SPIFFE ID. */
  readonly peer: string;
  /** Where it was connected to. */
  readonly address: string;
};

export type BundleFetcherOptions = {
  readonly rules: AddressRules;
  readonly clock: Clock;
  /** Addresses of a host; the system's resolver unless told otherwise. */
  readonly resolve?: (host: string) => Promise<readonly string[]>;
  readonly timeoutMs?: number;
};

const TIMEOUT_MS = 10_000;
const MAX_REDIRECTS = 3;
const MAX_URL = 2048;
/** Of one host: those after them would be tried when it is too late. */
const MAX_ADDRESSES = 4;
const MAX_HEADER_BYTES = 16 * 1024;
const REDIRECTS: ReadonlySet<number> = new Set([301, 302, 303, 307, 308]);

export class BundleFetcher {
  readonly #options: BundleFetcherOptions;

  constructor(options: BundleFetcherOptions) {
    this.#options = options;
  }

  /** Throws a CodedError whose reason is a FetchFailure. */
  async fetch(asked: FetchRequest, signal: AbortSignal): Promise<FetchedBundle> {
    const limit = AbortSignal.timeout(this.#options.timeoutMs ?? TIMEOUT_MS);
    const stop = AbortSignal.any([signal, limit]);
    try {
      return await this.#follow(asked, stop);
    } catch (thrown) {
      if (!stop.aborted || hasReason(thrown)) throw thrown;
      throw fetchError('EndpointUnreachable', 'the endpoint took too long', thrown);
    }
  }

  async #follow(asked: FetchRequest, stop: AbortSignal): Promise<FetchedBundle> {
    const { trustDomain, trust } = asked;
    let url = checkedUrl(asked.url, undefined);
    for (let hop = 0; hop <= MAX_REDIRECTS; hop += 1) {
      const answer = await this.#get(url, trust, stop);
      if (answer.location === undefined) {
        const { body, address } = answer;
        const parsed = parse(body, trustDomain);
        const digest = createHash('sha256').update(body).digest('hex');
        const peer = trust.type === 'https_spiffe' ? trust.endpointId : url.hostname;
        return { ...parsed, digest, peer, address };
      }
      url = checkedUrl(answer.location, url);
    }
    throw fetchError('BadRedirect', `more than ${MAX_REDIRECTS} redirects`);
  }

  async #get(url: URL, trust: EndpointTrust, stop: AbortSignal): Promise<Answer> {
    const { clock } = this.#options;
    const host = hostOf(url);
    const tls = endpointTls(trust, host, clock);
    const addresses = await this.#addressesOf(host, stop);
    let failure: unknown;
    for (const address of addresses) {
      try {
        return await get({ url, address, tls }, stop);
      } catch (thrown) {
        // Another address may answer where this one does not; what one answered, counts.
        if (hasReason(thrown)) throw thrown;
        failure = thrown;
      }
    }
    throw fetchError('EndpointUnreachable', 'no address of the endpoint answers', failure);
  }

  /** All of them may be reached, or none is. */
  async #addressesOf(host: string, stop: AbortSignal): Promise<readonly string[]> {
    const { rules, resolve = resolveHost } = this.#options;
    const found = isIP(host) === 0 ? await orStopped(resolve(host), stop) : [host];
    if (found.length === 0) throw fetchError('EndpointUnreachable', 'the host has no address');
    for (const address of found) {
      const refusal = rules.refusalOf(address);
      if (refusal !== undefined) throw fetchError('AddressDenied', `${address}: ${refusal}`);
    }
    return found.slice(0, MAX_ADDRESSES);
  }
}

type Answer =
  | { readonly location: string }
  | { readonly location?: undefined; readonly body: Uint8Array; readonly address: string };

type Connection = {
  readonly url: URL;
  /** The host's, and checked. */
  readonly address: string;
  readonly tls: ConnectionOptions;
};

async function get({ url, address, tls }: Connection, stop: AbortSignal): Promise<Answer> {
  const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
  const outgoing = request({
    ...tls,
    host: address,
    port: url.port === '' ? 443 : Number(url.port),
    path: `${url.pathname}${url.search}`,
    method: 'GET',
    // A connection of its own: what proved who the peer is must have happened for this fetch.
    agent: false,
    maxHeaderSize: MAX_HEADER_BYTES,
    headers: { host: url.host, accept: 'application/json', 'accept-encoding': 'identity' },
    signal: stop,
  });
  outgoing.once('response', resolve);
  outgoing.on('error', (thrown: NodeJS.ErrnoException) => reject(connectionError(thrown)));
  outgoing.end();
  try {
    const response = await promise;
    const status = response.statusCode ?? 0;
    if (REDIRECTS.has(status)) {
      const { location } = response.headers;
      if (location === undefined) throw fetchError('BadRedirect', 'a redirect to nowhere');
      return { location };
    }
    if (status !== 200) throw fetchError('BadAnswer', `HTTP status ${status}`);
    return { body: await bodyOf(response), address };
  } finally {
    outgoing.destroy();
  }
}

async function bodyOf(response: IncomingMessage): Promise<Uint8Array> {
  const encoding = response.headers['content-encoding'] ?? 'identity';
  // Small on the wire, and without end when unpacked.
  if (encoding !== 'identity') throw fetchError('BadAnswer', 'a content encoding nobody asked for');
  const chunks: Buffer[] = [];
  let size = 0;
  try {
    for await (const chunk of response as AsyncIterable<Buffer>) {
      size += chunk.length;
      if (size > MAX_BUNDLE_BYTES) throw fetchError('TooLarge', `over ${MAX_BUNDLE_BYTES} bytes`);
      chunks.push(chunk);
    }
  } catch (thrown) {
    if (hasReason(thrown)) throw thrown;
    throw fetchError('EndpointUnreachable', 'the answer broke off', thrown);
  }
  return Buffer.concat(chunks);
}

function parse(body: Uint8Array, trustDomain: TrustDomain): ParsedBundle {
  try {
    return parseSpiffeBundle(body, trustDomain);
  } catch (thrown) {
    throw fetchError('BadBundle', CodedError.from(thrown).message, thrown);
  }
}

/** The rules of §5.2.1.1 and §5.2.2.1, for what was declared and for each redirect. */
function checkedUrl(text: string, from: URL | undefined): URL {
  const refuse = (why: string) => {
    return fetchError(from === undefined ? 'EndpointUnreachable' : 'BadRedirect', why);
  };
  const url = text.length > MAX_URL ? null : URL.parse(text, from?.href);
  if (url === null) throw refuse('not a URL');
  if (url.protocol !== 'https:') throw refuse('not over https');
  if (url.username !== '' || url.password !== '') throw refuse('with a user name');
  if (url.hostname === '') throw refuse('without a host');
  return url;
}

/** A name, or an address without brackets. */
function hostOf({ hostname }: URL): string {
  return hostname.startsWith('[') ? hostname.slice(1, -1) : hostname;
}

async function resolveHost(host: string): Promise<readonly string[]> {
  try {
    const found = await lookup(host, { all: true, verbatim: true });
    return found.map(({ address }) => address);
  } catch (thrown) {
    throw fetchError('EndpointUnreachable', 'the host cannot be resolved', thrown);
  }
}

async function orStopped<T>(work: Promise<T>, stop: AbortSignal): Promise<T> {
  const late = aborted(stop).then(() => {
    throw fetchError('EndpointUnreachable', 'the host is not resolved in time');
  });
  return await Promise.race([work, late]);
}

// A peer that was reached and is the wrong one is no reason to try its other addresses.
function connectionError(thrown: NodeJS.ErrnoException): Error {
  if (hasReason(thrown)) return thrown;
  const { code = '' } = thrown;
  const isTrust = CERTIFICATE_ERRORS.test(code);
  return isTrust ? fetchError('NotAuthenticated', `TLS: ${code}`, thrown) : thrown;
}

const CERTIFICATE_ERRORS =
  /^(ERR_TLS_CERT_ALTNAME_INVALID|CERT_|UNABLE_TO_|SELF_SIGNED|DEPTH_ZERO|INVALID_CA|INVALID_PURPOSE|PATH_LENGTH|ERR_SSL_.*CERT|HOSTNAME_MISMATCH|ERR_TLS_)/;

function hasReason(thrown: unknown): boolean {
  return thrown instanceof CodedError && thrown.reason !== undefined;
}
