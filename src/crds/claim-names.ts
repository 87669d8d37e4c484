// Which claims a policy may add to JWT-SVIDs. Verifiers act on the names that standards define, so
// those are never a pod author's to fill.

import { invalid } from '../base/errors.ts';

/** `*` at the end stands for anything. */
export const DEFAULT_CLAIM_NAMES: readonly string[] = ['agent_*'];

/** RFC 7519 §4.1, and registered names by which others decide who may do what. */
export const REGISTERED_CLAIMS: readonly string[] =
  'iss sub aud exp nbf iat jti act may_act azp client_id cnf scope sid events acr amr auth_time nonce roles groups entitlements'.split(
    ' ',
  );

const NAME = /^[a-z][a-z0-9_]{0,63}$/;

/** Throws `invalid-argument` naming `field` unless a policy may set the claim. */
export function checkClaimName(
  name: string,
  field: string,
  allowed: readonly string[] = DEFAULT_CLAIM_NAMES,
): void {
  if (!NAME.test(name)) {
    throw invalid(`${field}: a claim is named by 1 to 64 of a-z 0-9 _ and starts with a letter`);
  }
  if (REGISTERED_CLAIMS.includes(name)) throw invalid(`${field}: a registered claim is never set`);
  if (!allowed.some((pattern) => fits(name, pattern))) {
    throw invalid(`${field}: not an allowed claim; allowed are ${allowed.join(', ') || 'none'}`);
  }
}

function fits(name: string, pattern: string): boolean {
  return pattern.endsWith('*') ? name.startsWith(pattern.slice(0, -1)) : name === pattern;
}
