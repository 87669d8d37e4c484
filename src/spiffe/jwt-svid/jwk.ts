// Public keys as JSON Web Keys (RFC 7517, RFC 7518 §6): the members that make the key, no others,
// and the thumbprint that names it.

import { createPublicKey, hash, type KeyObject } from 'node:crypto';
import { CodedError, invalid } from '../../base/errors.ts';
import { checkAuthorityKey } from '../certificate/signature-algorithm.ts';
import type { JsonObject } from '../strict-json.ts';

export type PublicJwk =
  | { readonly kty: 'EC'; readonly crv: string; readonly x: string; readonly y: string }
  | { readonly kty: 'RSA'; readonly n: string; readonly e: string };

/** Of a public key, or of the public half of a private one; EC and RSA only. */
export function publicJwk(key: KeyObject): PublicJwk {
  const publicKey = key.type === 'private' ? createPublicKey(key) : key;
  const { kty, crv, x, y, n, e } = publicKey.export({ format: 'jwk' });
  if (kty === 'EC' && crv !== undefined && x !== undefined && y !== undefined) {
    return { kty, crv, x, y };
  }
  if (kty === 'RSA' && n !== undefined && e !== undefined) return { kty, n, e };
  throw invalid(`key: kty ${kty} is neither EC nor RSA`);
}

/** RFC 7638 §3: base64url of the SHA-256 over the required members in lexical order. */
export function jwkThumbprint(jwk: PublicJwk): string {
  const required =
    jwk.kty === 'EC'
      ? { crv: jwk.crv, kty: jwk.kty, x: jwk.x, y: jwk.y }
      : { e: jwk.e, kty: jwk.kty, n: jwk.n };
  return hash('sha256', JSON.stringify(required), 'base64url');
}

/**
 * The key of a JWK: EC on P-256, P-384 or P-521, RSA of 2048 to 8192 bits. Throws
 * `invalid-argument` for any other, and for members that do not make a key.
 */
export function importJwk(jwk: JsonObject): KeyObject {
  const text = (member: string): string => {
    const value = jwk.get(member);
    if (typeof value !== 'string') throw invalid(`key: ${member} is not a string`);
    return value;
  };
  const kty = jwk.get('kty');
  if (kty === 'EC') return toKey({ kty, crv: text('crv'), x: text('x'), y: text('y') });
  if (kty === 'RSA') return toKey({ kty, n: text('n'), e: text('e') });
  throw invalid('key: kty is neither EC nor RSA');
}

function toKey(jwk: PublicJwk): KeyObject {
  try {
    const key = createPublicKey({ key: { ...jwk }, format: 'jwk' });
    checkAuthorityKey(key);
    return key;
  } catch (thrown) {
    throw invalid(`key: ${CodedError.from(thrown).message}`, thrown);
  }
}
