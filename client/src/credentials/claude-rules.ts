// The rules that the Claude API publishes for tokens, as far as a token alone shows them. No key is
// needed: it is our own token.

import { CodedError } from '../../../src/base/errors.ts';
import { parseJwsObject, splitCompactJws } from '../../../src/spiffe/jwt-svid/compact-jws.ts';
import type { JsonObject } from '../../../src/spiffe/strict-json.ts';

const ALGORITHM = /^(?:RS|PS|ES)(?:256|384|512)$/;
const MAX_TOKEN_BYTES = 16_384;
/** What an issuer is registered with unless somebody says otherwise, in seconds. */
const USUAL_MAX_LIFE = 3600;

/** Each broken rule, as `claim: rule`; none when nothing is seen. */
export function brokenRules(token: string, audience: string): readonly string[] {
  try {
    const parts = splitCompactJws(token);
    const header = parseJwsObject(parts.header, 'token header');
    const claims = parseJwsObject(parts.claims, 'token claims');
    return [
      ...(token.length > MAX_TOKEN_BYTES ? ['token: more than 16 KiB'] : []),
      ...brokenHeader(header),
      ...brokenClaims(claims, audience),
    ];
  } catch (thrown) {
    return [CodedError.from(thrown).message];
  }
}

function brokenHeader(header: JsonObject): readonly string[] {
  const algorithm = header.get('alg');
  const isKnown = typeof algorithm === 'string' && ALGORITHM.test(algorithm);
  return [
    ...(isKnown ? [] : ['alg: not one of RS, PS and ES with 256, 384 or 512']),
    ...(typeof header.get('kid') === 'string' ? [] : ['kid: missing']),
  ];
}

function brokenClaims(claims: JsonObject, audience: string): readonly string[] {
  const broken: string[] = [];
  for (const name of ['iss', 'sub']) {
    if (typeof claims.get(name) !== 'string') broken.push(`${name}: missing`);
  }
  const issuedAt = claims.get('iat');
  const expiresAt = claims.get('exp');
  if (typeof issuedAt !== 'number') broken.push('iat: missing');
  if (typeof expiresAt !== 'number') broken.push('exp: missing');
  if (typeof issuedAt === 'number' && typeof expiresAt === 'number') {
    const life = expiresAt - issuedAt;
    if (life > USUAL_MAX_LIFE) {
      broken.push(
        `exp: ${life} s after iat, an issuer takes ${USUAL_MAX_LIFE} unless set otherwise`,
      );
    }
  }
  const audiences = [claims.get('aud')].flat();
  if (!audiences.includes(audience)) broken.push('aud: not the one asked for');
  if (claims.has('jti')) broken.push('jti: taken once; a retry with the same token is refused');
  return broken;
}
