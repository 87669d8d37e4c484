// Where a dev run serves its bundle to others, from its flags.

import { invalid } from '../base/errors.ts';
import type { DevBundleEndpoint } from '../dev/dev-bundle-endpoint.ts';
import { MAX_REFRESH_HINT_SECONDS } from '../spiffe/bundle/refresh-hint.ts';

const PLACE = /^(\[[0-9a-fA-F:.]+\]|[^:[\]\s]+):(\d{1,5})$/;
const MAX_PORT = 65_535;

/** Throws `invalid-argument` naming the flag. */
export function devBundleEndpoint(
  place: string | undefined,
  hintMs: number,
): DevBundleEndpoint | undefined {
  if (place === undefined) return undefined;
  const [, host = '', digits = ''] = PLACE.exec(place) ?? [];
  const port = Number(digits);
  if (host === '' || port > MAX_PORT) {
    throw invalid('--bundle-endpoint: must be HOST:PORT, such as 127.0.0.1:8441');
  }
  const refreshHintSeconds = readHint(hintMs, 1);
  return { address: { host: host.replace(/^\[|\]$/g, ''), port }, refreshHintSeconds };
}

/** Whole seconds of the flag. */
export function readHint(ms: number, minSeconds: number): number {
  const seconds = ms / 1000;
  const isFine =
    Number.isSafeInteger(seconds) && seconds >= minSeconds && seconds <= MAX_REFRESH_HINT_SECONDS;
  if (isFine) return seconds;
  // Keys are published an hour before they sign: peers must have looked five times by then.
  const range = `${minSeconds} to ${MAX_REFRESH_HINT_SECONDS}`;
  throw invalid(`--bundle-refresh-hint: must be ${range} whole seconds`);
}
