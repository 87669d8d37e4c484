// The compact serialisation of a signed JWT, taken apart but not yet believed (RFC 7515 §7.1):
// three parts, each in the one spelling base64url has for it, header and claims strict JSON.

import { invalid } from '../../base/errors.ts';
import { type JsonObject, parseStrictJsonObject } from '../strict-json.ts';

/** No token larger than this is read or made. */
export const MAX_JWT_SVID_BYTES = 16_384;

/** The parts as they stand in the token. */
export type CompactJws = {
  readonly header: string;
  readonly claims: string;
  readonly signature: string;
  readonly signingInput: string;
};

/** Throws `invalid-argument` naming the rule. */
export function splitCompactJws(token: string, maxBytes = MAX_JWT_SVID_BYTES): CompactJws {
  if (token.length > maxBytes) {
    throw invalid(`token: ${token.length} bytes exceed ${maxBytes}`);
  }
  const parts = token.split('.', 4);
  const [header = '', claims = '', signature = ''] = parts;
  if (parts.length !== 3) throw invalid('token: not three parts joined by dots');
  return { header, claims, signature, signingInput: `${header}.${claims}` };
}

/** A part that is JSON. Throws `invalid-argument` naming `field` and the rule. */
export function parseJwsObject(
  part: string,
  field: string,
  maxBytes = MAX_JWT_SVID_BYTES,
): JsonObject {
  return parseStrictJsonObject(decodeJws(part, field), { field, maxBytes });
}

/** A part that is bytes. Throws `invalid-argument` naming `field` and the rule. */
export function decodeJws(part: string, field: string): Uint8Array {
  const bytes = Buffer.from(part, 'base64url');
  // Buffer skips what it does not know; only the one right spelling survives the way back.
  if (bytes.toString('base64url') !== part) throw invalid(`${field}: not base64url`);
  return bytes;
}
