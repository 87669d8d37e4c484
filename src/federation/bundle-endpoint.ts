// The bundle endpoint: the newest bundle of our own trust domain as a SPIFFE bundle document, on one path
// of a listener of its own, to whoever asks (SPIFFE Federation §5.2.1.3, §5.2.2.3).

import type { Latest } from '../base/latest.ts';
import type { Logger } from '../base/log.ts';
import type { Bundle } from '../spiffe/bundle/bundle.ts';
import { formatSpiffeBundle } from '../spiffe/bundle/bundle-format.ts';
import { type HttpAnswer, type HttpRoute, httpError } from '../transport/http/http-route.ts';
import { HttpsServer, type TlsCertificate } from '../transport/http/https-server.ts';

export type BundleEndpointOptions = {
  readonly address: { readonly port: number; readonly host?: string };
  readonly certificate: Latest<TlsCertificate>;
  /** Undefined before it is known. */
  readonly bundle: () => Bundle | undefined;
  readonly refreshHintSeconds: number;
  readonly log: Logger;
};

export const BUNDLE_PATH = '/';

/** A fifth of the shortest time between publishing a key and signing with it: one hour, of JWT keys. */
export const MAX_REFRESH_HINT_SECONDS = 720;
export const DEFAULT_REFRESH_HINT_SECONDS = 300;

/** Requests have no body, and answers are few and small. */
const LIMITS = {
  maxBodyBytes: 1024,
  maxHeaders: 32,
  maxConnections: 512,
  maxPerAddress: 32,
  headersTimeoutMs: 5000,
  requestTimeoutMs: 10_000,
  idleTimeoutMs: 15_000,
} as const;

export function bundleEndpoint(options: BundleEndpointOptions): HttpsServer {
  const { address, certificate, log } = options;
  return new HttpsServer({
    address,
    certificate,
    routes: [bundleRoute(options)],
    log,
    limits: LIMITS,
  });
}

type RouteOptions = Pick<BundleEndpointOptions, 'bundle' | 'refreshHintSeconds'>;

/** Whatever the query or the Host say, the answer is the same one. */
export function bundleRoute({ bundle, refreshHintSeconds }: RouteOptions): HttpRoute {
  let known: { readonly bundle: Bundle; readonly answer: HttpAnswer } | undefined;
  return {
    method: 'GET',
    path: BUNDLE_PATH,
    handle: () => {
      const newest = bundle();
      // An empty bundle would tell peers to trust nobody.
      if (newest === undefined || newest.x509Authorities.length === 0) return httpError(503);
      if (known?.bundle !== newest) {
        const document = formatSpiffeBundle({ ...newest, refreshHintSeconds });
        // A cache in between must not hide a new key for long, compared with the hint.
        const cacheControl = `public, max-age=${Math.floor(refreshHintSeconds / 5)}`;
        const body = Buffer.from(document).toString('utf8');
        known = { bundle: newest, answer: { status: 200, body, cacheControl } };
      }
      return known.answer;
    },
  };
}
