// The flags by which a process serves the OpenID Connect documents of JWT-SVIDs.

import { invalid } from '../../base/errors.ts';
import { type FlagSpecs, type Flags } from '../../base/flags.ts';
import type { OidcOptions } from '../../controller/oidc.ts';
import { parseIssuerUrl } from '../../spiffe/jwt-svid/issuer-url.ts';

export const OIDC_FLAGS = {
  'jwt-issuer': {
    type: 'string',
    help: 'the iss claim of JWT-SVIDs; serves its OpenID Connect documents',
    value: 'URL',
  },
  'oidc-host': {
    type: 'strings',
    help: 'a name beside the host of --jwt-issuer under which they are served; repeatable',
  },
  'oidc-tls-dir': {
    type: 'string',
    help: 'where tls.crt and tls.key are; default: the certificate of the webhook',
    value: 'DIR',
  },
  'oidc-port': { type: 'integer', default: 9444, help: 'for verifiers; 0: a free one' },
} as const satisfies FlagSpecs;

const HOST = /^[a-z0-9.-]{1,253}$/i;

/** Nothing without an issuer. Throws `invalid-argument` naming the flag. */
export function oidcOptions(
  flags: Flags<typeof OIDC_FLAGS>,
  place: { readonly host?: string },
): { readonly oidc?: OidcOptions } {
  const { 'jwt-issuer': issuer, 'oidc-host': hosts, 'oidc-tls-dir': tlsDirectory } = flags;
  if (issuer === undefined || issuer === '') {
    if (hosts.length === 0 && tlsDirectory === undefined) return {};
    throw invalid('--jwt-issuer: needed with --oidc-host and --oidc-tls-dir');
  }
  const wrong = hosts.find((host) => !HOST.test(host));
  if (wrong !== undefined) throw invalid(`--oidc-host: "${wrong}" is not a host name`);
  return {
    oidc: {
      issuer: parseIssuerUrl(issuer, '--jwt-issuer'),
      address: { ...place, port: flags['oidc-port'] },
      hosts,
      ...(tlsDirectory === undefined ? {} : { tlsDirectory }),
    },
  };
}
