// Who calls the issuer. The node's name comes from a token that somebody else vouches for (in a
// cluster the API server, in dev mode the process that made it), never from the request.

import { CodedError, type Decision } from '../base/errors.ts';
import type { Call } from '../transport/rpc.ts';

export type NodeCaller = {
  readonly node: string;
  /** For the audit line: which token it was, never the token. */
  readonly credentialId: string;
  /** When this proof runs out, in milliseconds since the epoch. */
  readonly expiresAt: number;
};

/** Judges a bearer token. */
export type CallerAuthenticator = {
  authenticate(token: string): Promise<Decision<NodeCaller>>;
};

const MAX_TOKEN_BYTES = 8192;
const BEARER = 'Bearer ';

/** The caller of one call; throws `unauthenticated` with the reason. */
export async function requireCaller(
  call: Call,
  authenticator: CallerAuthenticator,
): Promise<NodeCaller> {
  const [header, ...more] = call.metadata.get('authorization') ?? [];
  if (header === undefined || more.length > 0 || !header.startsWith(BEARER)) {
    throw new CodedError('unauthenticated', 'metadata authorization: one bearer token is needed');
  }
  const token = header.slice(BEARER.length);
  if (token.length > MAX_TOKEN_BYTES) {
    throw new CodedError('unauthenticated', 'metadata authorization: the token is too long');
  }
  const decision = await authenticator.authenticate(token);
  if (decision.allowed) return decision.value;
  throw new CodedError('unauthenticated', decision.message, { reason: decision.reason });
}
