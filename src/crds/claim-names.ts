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

/** By which an IdentityRestriction tells identities apart: never a pod author's to say. */
export const TRUST_LEVEL_CLAIM = 'agent_trust_level';

/** Tokens travel in headers, which have room for a few kilobytes. */
const MAX_CLAIMS_BYTES = 2048;

/** Throws `invalid-argument` naming `field` for claims that are too long or hold control characters. */
export function checkClaimValues(claims: Readonly<Record<string, string>>, field: string): void {
  let bytes = 0;
  for (const [name, value] of Object.entries(claims)) {
    if (/\p{Cc}/u.test(value) || !value.isWellFormed()) {
      throw invalid(`${field}.${name}: must not hold control characters`);
    }
    bytes += name.length + Buffer.byteLength(value);
  }
  if (bytes > MAX_CLAIMS_BYTES) throw invalid(`${field}: over ${MAX_CLAIMS_BYTES} bytes together`);
}

/** Throws `invalid-argument` naming `field` unless it is a name, or the start of names and `*`. */
export function checkClaimPattern(pattern: string, field: string): void {
  if (NAME.test(pattern) || NAME.test(pattern.replace(/\*$/, ''))) return;
  throw invalid(`${field}: "${pattern}" is not a claim, or the start of claims and *`);
}

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
