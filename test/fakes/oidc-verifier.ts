// A verifier that knows nothing of SPIFFE: jose, which finds the keys of an issuer by OpenID Connect
// over TLS, as clouds do.

import { createRemoteJWKSet, customFetch, type JWTVerifyResult, jwtVerify } from 'jose';
import { httpsGet } from './https-get.ts';

export type OidcVerifierOptions = {
  readonly issuer: string;
  readonly port: number;
  /** PEM, of what serves the documents. */
  readonly ca: string;
  /** Whom its certificate names; default: localhost. */
  readonly name?: string;
};

export type Discovery = {
  readonly issuer: string;
  readonly jwks_uri: string;
  readonly id_token_signing_alg_values_supported: readonly string[];
};

export async function discover(options: OidcVerifierOptions): Promise<Discovery> {
  const text = await fetchText(`${options.issuer}/.well-known/openid-configuration`, options);
  return JSON.parse(text) as Discovery;
}

/** Throws what jose throws. */
export async function verifyByDiscovery(
  token: string,
  audience: string,
  options: OidcVerifierOptions,
): Promise<JWTVerifyResult> {
  const { issuer, jwks_uri: uri, id_token_signing_alg_values_supported } = await discover(options);
  if (issuer !== options.issuer) throw new Error(`discovery is of ${issuer}`);
  const keys = createRemoteJWKSet(new URL(uri), {
    [customFetch]: async (url) => new Response(await fetchText(url, options)),
  });
  const algorithms = [...id_token_signing_alg_values_supported];
  return await jwtVerify(token, keys, { issuer, audience, algorithms, typ: 'JWT' });
}

async function fetchText(url: string, options: OidcVerifierOptions): Promise<string> {
  const { port, ca, name = 'localhost' } = options;
  const { pathname, host } = new URL(url);
  const { status, body } = await httpsGet({ port, path: pathname, ca, name, headers: { host } });
  if (status !== 200) throw new Error(`${url}: ${status} ${body}`);
  return body;
}
