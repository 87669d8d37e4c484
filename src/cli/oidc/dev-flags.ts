// Where a dev run serves OpenID Connect documents, from its flags.

import { invalid } from '../../base/errors.ts';
import type { DevOidc } from '../../dev/dev-oidc.ts';
import { issuerHost, parseIssuerUrl } from '../../spiffe/jwt-svid/issuer-url.ts';
import { checkDnsName } from '../../spiffe/x509-svid/dns-name.ts';

/** Undefined when nothing is to be served. Throws `invalid-argument` naming the flag. */
export function devOidc(
  listen: string | undefined,
  issuer: string | undefined,
): DevOidc | undefined {
  if (listen === undefined) {
    if (issuer === undefined) return undefined;
    throw invalid('--jwt-issuer: needs --oidc-listen');
  }
  const [, host = '', port = ''] = /^([a-z0-9.-]+):([1-9][0-9]{0,4})$/.exec(listen) ?? [];
  if (host === '' || Number(port) > 65_535) {
    throw invalid(`--oidc-listen: "${listen}" is not HOST:PORT`);
  }
  const url = parseIssuerUrl(issuer ?? `https://${host}:${port}`, '--jwt-issuer');
  const name = issuerHost(url);
  try {
    checkDnsName(name);
  } catch (thrown) {
    // The certificate has names alone.
    throw invalid(`--jwt-issuer: "${name}" is not a host name, such as localhost`, thrown);
  }
  return { issuer: url, address: { host, port: Number(port) } };
}
