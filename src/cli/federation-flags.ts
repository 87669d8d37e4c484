// The flags of a controller about other trust domains: where their bundles may be fetched from, and how
// our own is served to them.

import { isIP } from 'node:net';
import { invalid } from '../base/errors.ts';
import type { FlagSpecs, Flags } from '../base/flags.ts';
import type { FederationSettings } from '../controller/main.ts';
import { checkCidrs } from '../federation/address-rules.ts';
import { DEFAULT_REFRESH_HINT_SECONDS } from '../spiffe/bundle/refresh-hint.ts';
import { readHint } from './federation-dev-flags.ts';

export const FEDERATION_FLAGS = {
  'federation-allow-cidr': {
    type: 'strings',
    help: 'a private network where foreign bundles may be fetched from; may be repeated',
    value: 'CIDR',
  },
  'federation-web-ca': {
    type: 'string',
    help: 'PEM of the authorities of https_web endpoints; default: those Node.js comes with',
    value: 'FILE',
  },
  'bundle-endpoint': {
    type: 'choice',
    of: ['off', 'https_spiffe', 'https_web'],
    default: 'off',
    help: 'serve our own bundle to other trust domains',
  },
  'bundle-endpoint-port': { type: 'integer', default: 8443, help: 'of it; 0: a free one' },
  'bundle-endpoint-tls-dir': {
    type: 'string',
    help: 'with https_web: where its tls.crt and tls.key are',
    value: 'DIR',
  },
  'bundle-refresh-hint': {
    type: 'duration',
    default: `${DEFAULT_REFRESH_HINT_SECONDS}s`,
    help: 'how often peers are to look; from 30s to 12m',
  },
} as const satisfies FlagSpecs;

const MIN_REFRESH_HINT_SECONDS = 30;

/** Throws `invalid-argument` naming the flag. */
export function federationSettings(
  flags: Flags<typeof FEDERATION_FLAGS> & { readonly host: string | undefined },
  apiServer: string,
): FederationSettings {
  const allow = flags['federation-allow-cidr'];
  const webCaFile = flags['federation-web-ca'];
  const host = URL.parse(apiServer)?.hostname.replace(/^\[|\]$/g, '') ?? '';
  const deny = isIP(host) === 0 ? [] : [host];
  checkCidrs(allow, '--federation-allow-cidr');
  const fetch = { allow, deny, ...(webCaFile === undefined ? {} : { webCaFile }) };
  const type = flags['bundle-endpoint'];
  if (type === 'off') return { fetch };
  const place = flags.host === undefined ? {} : { host: flags.host };
  const refreshHintSeconds = readHint(flags['bundle-refresh-hint'], MIN_REFRESH_HINT_SECONDS);
  const address = { ...place, port: flags['bundle-endpoint-port'] };
  const endpoint = { address, refreshHintSeconds };
  if (type === 'https_spiffe') return { fetch, endpoint: { ...endpoint, profile: { type } } };
  const directory = flags['bundle-endpoint-tls-dir'];
  if (directory === undefined) throw invalid('--bundle-endpoint-tls-dir: needed with https_web');
  return { fetch, endpoint: { ...endpoint, profile: { type: 'https_web', directory } } };
}
