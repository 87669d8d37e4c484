// Authentication as an OAuth client by JWT-SVID instead of a client secret
// (draft-ietf-oauth-spiffe-client-auth, method `spiffe_jwt`).

import { bearerExchange } from './bearer-exchange.ts';
import {
  type AccessToken,
  type AssertionSource,
  type CredentialOptions,
  checkPresent,
} from './credential.ts';
import { checkTokenUrl } from './token-request.ts';

const ASSERTION_TYPE = 'urn:ietf:params:oauth:client-assertion-type:jwt-spiffe';

export type ClientAssertion = {
  readonly client_assertion_type: string;
  readonly client_assertion: string;
};

/** Parameters for one token request of any grant. The issuer identifier is the only audience. */
export async function oauthClientAssertion(
  source: AssertionSource,
  issuer: string,
): Promise<ClientAssertion> {
  checkPresent({ issuer });
  const { token } = await source.fetchNew({ audience: issuer });
  return { client_assertion_type: ASSERTION_TYPE, client_assertion: token };
}

export type OAuthClientOptions = CredentialOptions & {
  /** The authorization server's issuer identifier, to the byte. */
  readonly issuer: string;
  readonly tokenUrl: string;
  /** Where the server does not take it from the assertion. */
  readonly clientId?: string;
  readonly scope?: string;
  /** RFC 8707: what the access token is for. */
  readonly resource?: string;
};

/** Access tokens by the client credentials grant (RFC 6749 §4.4). */
export function oauthClientCredentials(options: OAuthClientOptions): () => Promise<AccessToken> {
  const { issuer, tokenUrl, clientId, scope, resource } = options;
  checkPresent({ issuer });
  const renewed = bearerExchange(options, {
    of: 'OAuth token request',
    url: checkTokenUrl(tokenUrl, 'tokenUrl').href,
    audience: issuer,
    body: (assertion) =>
      new URLSearchParams({
        grant_type: 'client_credentials',
        client_assertion_type: ASSERTION_TYPE,
        client_assertion: assertion,
        ...(clientId === undefined ? {} : { client_id: clientId }),
        ...(scope === undefined ? {} : { scope }),
        ...(resource === undefined ? {} : { resource }),
      }),
  });
  return () => renewed.get();
}
