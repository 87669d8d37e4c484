// Tokens of Vault or OpenBao for a JWT-SVID, by their `jwt` auth method; the role there has
// `bound_audiences` with this audience and `bound_subject` with the SPIFFE ID.

import { systemClock } from '../../../src/base/clock.ts';
import { CodedError, invalid } from '../../../src/base/errors.ts';
import type { JsonObject } from '../../../src/spiffe/strict-json.ts';
import { AccessToken, type CredentialOptions, checkPresent, exchanged } from './credential.ts';
import {
  checkStatus,
  checkTokenUrl,
  lifeMsOf,
  parseAnswer,
  postForTokens,
  type TokenAnswer,
  textOf,
} from './token-request.ts';

export type VaultLoginOptions = CredentialOptions & {
  /** As in VAULT_ADDR. */
  readonly address: string;
  readonly role: string;
  /** One of the role's `bound_audiences`. */
  readonly audience: string;
  /** Where the auth method is mounted; default: `jwt`. */
  readonly mount?: string;
  readonly namespace?: string;
};

const OF = 'Vault login';

/** A function that gives the token for `X-Vault-Token`; a new login comes before it expires. */
export function vaultLogin(options: VaultLoginOptions): () => Promise<AccessToken> {
  const { address, role, audience, mount = 'jwt', namespace, clock = systemClock } = options;
  checkPresent({ address, role, audience });
  if (!/^[\w.-]+(?:\/[\w.-]+)*$/.test(mount) || /(?:^|\/)\.\.?(?:\/|$)/.test(mount)) {
    throw invalid('mount: not a path');
  }
  const url = `${address.replace(/\/$/, '')}/v1/auth/${mount}/login`;
  checkTokenUrl(url, 'address');
  const renewed = exchanged(options, audience, async (assertion) => {
    const answer = await postForTokens({
      of: OF,
      url,
      headers: {
        'x-vault-request': 'true',
        ...(namespace === undefined ? {} : { 'x-vault-namespace': namespace }),
      },
      body: { role, jwt: assertion },
      fetch: options.fetch,
    });
    checkLogin(answer);
    const auth = parseAnswer(OF, answer).get('auth');
    if (!(auth instanceof Map)) throw new CodedError('unavailable', `${OF}: answer without auth`);
    const members: JsonObject = auth;
    const expiresAt = clock.now() + lifeMsOf(OF, members, 'lease_duration');
    return new AccessToken(textOf(OF, members, 'client_token'), expiresAt);
  });
  return () => renewed.get();
}

// Vault answers 400 to a token that breaks a rule of the role, and says which in `errors`.
function checkLogin(answer: TokenAnswer): void {
  if (answer.status === 200) return;
  let detail = '';
  try {
    detail = [parseAnswer(OF, answer).get('errors')].flat().filter(isText).join('; ');
  } catch {
    // Not Vault, or not in its words.
  }
  checkStatus(OF, answer, detail);
}

function isText(value: unknown): value is string {
  return typeof value === 'string';
}
