// The bundle endpoint (SPIFFE Federation §5.2.1.3, §5.2.2.3): the newest bundle of our own trust domain as a
// SPIFFE bundle document, to whoever asks.

import type { Bundle } from '../spiffe/bundle/bundle.ts';
import { formatSpiffeBundle } from '../spiffe/bundle/bundle-format.ts';
import type { HttpLimits } from '../transport/http/http-limits.ts';
import type { PublicDocument } from './public-listener.ts';

export const BUNDLE_PATH = '/';

/** Peers are few, and come once in a while. */
export const BUNDLE_LIMITS: Partial<HttpLimits> = {
  maxConnections: 512,
  maxPerAddress: 32,
  headersTimeoutMs: 5000,
  requestTimeoutMs: 10_000,
  idleTimeoutMs: 15_000,
};

/** `bundle`: the same object until it changes; undefined while there is none. */
export function bundleDocument(
  bundle: () => Bundle | undefined,
  refreshHintSeconds: number,
): PublicDocument {
  let known: { readonly of: Bundle; readonly document: Uint8Array } | undefined;
  return {
    path: BUNDLE_PATH,
    type: 'application/json',
    // A cache in between must not hide a new key for long, compared with the hint.
    maxAgeSeconds: Math.floor(refreshHintSeconds / 5),
    read: () => {
      const now = bundle();
      // An empty bundle would tell peers to trust nobody.
      if (now === undefined || now.x509Authorities.length === 0) return undefined;
      if (known?.of !== now) {
        known = { of: now, document: formatSpiffeBundle({ ...now, refreshHintSeconds }) };
      }
      return known.document;
    },
  };
}
