// The exchange that ends in an `access_token` of a given life (RFC 6749 §5.1), whatever the grant.

import { systemClock } from '../../../src/base/clock.ts';
import type { Renewed } from '../renewed.ts';
import { AccessToken, type CredentialOptions, exchanged } from './credential.ts';
import {
  checkStatus,
  errorOf,
  lifeMsOf,
  parseAnswer,
  postForTokens,
  type TokenRequest,
  textOf,
} from './token-request.ts';

export type BearerExchange = {
  /** Whose endpoint, for messages. */
  readonly of: string;
  readonly url: string;
  readonly audience: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body: (assertion: string) => TokenRequest['body'];
  /** What a refusal may be about, for its message. */
  readonly explain?: (error: unknown, assertion: string) => unknown;
};

export function bearerExchange(
  options: CredentialOptions,
  exchange: BearerExchange,
): Renewed<AccessToken> {
  const { of, url, audience, headers = {}, body, explain = (error: unknown) => error } = exchange;
  const { clock = systemClock } = options;
  return exchanged(options, audience, async (assertion) => {
    const answer = await postForTokens({
      of,
      url,
      headers,
      body: body(assertion),
      fetch: options.fetch,
    });
    try {
      checkStatus(of, answer, errorOf(answer.text));
    } catch (thrown) {
      throw explain(thrown, assertion);
    }
    const members = parseAnswer(of, answer);
    const expiresAt = clock.now() + lifeMsOf(of, members, 'expires_in');
    return new AccessToken(textOf(of, members, 'access_token'), expiresAt);
  });
}
