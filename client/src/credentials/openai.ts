// Access to the OpenAI API for a JWT-SVID (workload identity federation: RFC 8693). Its SDK can do the
// exchange itself, with tokens from here; for other HTTP clients it is done here.

import { bearerExchange } from './bearer-exchange.ts';
import {
  type AccessToken,
  type AssertionSource,
  type CredentialOptions,
  checkPresent,
} from './credential.ts';
import { checkTokenUrl } from './token-request.ts';

export type OpenAiIds = {
  readonly identityProviderId: string;
  readonly serviceAccountId: string;
  /** The one audience of the identity provider, exactly. */
  readonly audience: string;
};

export type OpenAiCredentialsOptions = CredentialOptions &
  OpenAiIds & {
    /** Default: https://auth.openai.com/oauth/token. */
    readonly tokenUrl?: string;
  };

const TOKEN_URL = 'https://auth.openai.com/oauth/token';
const GRANT = 'urn:ietf:params:oauth:grant-type:token-exchange';
const JWT = 'urn:ietf:params:oauth:token-type:jwt';

/** What `new OpenAI({ workloadIdentity })` takes; the SDK keeps the access token. */
export function openAiWorkloadIdentity(options: OpenAiIds & { readonly source: AssertionSource }): {
  identityProviderId: string;
  serviceAccountId: string;
  provider: { tokenType: 'jwt'; getToken: () => Promise<string> };
} {
  const { source, identityProviderId, serviceAccountId, audience } = options;
  checkPresent({ identityProviderId, serviceAccountId, audience });
  const getToken = async () => (await source.fetchNew({ audience })).token;
  return { identityProviderId, serviceAccountId, provider: { tokenType: 'jwt', getToken } };
}

/** A function that gives the access token to send as bearer token. */
export function openAiCredentials(options: OpenAiCredentialsOptions): () => Promise<AccessToken> {
  const { identityProviderId, serviceAccountId, audience, tokenUrl = TOKEN_URL } = options;
  checkPresent({ identityProviderId, serviceAccountId });
  const renewed = bearerExchange(options, {
    of: 'OpenAI token exchange',
    url: checkTokenUrl(tokenUrl, 'tokenUrl').href,
    audience,
    body: (assertion) => ({
      grant_type: GRANT,
      subject_token_type: JWT,
      subject_token: assertion,
      identity_provider_id: identityProviderId,
      service_account_id: serviceAccountId,
    }),
  });
  return () => renewed.get();
}
