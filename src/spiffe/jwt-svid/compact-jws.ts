// The compact serialisation of a signed JWT, taken apart but not yet believed (RFC 7515 §7.1):
// three parts in the one spelling base64url has for them, header and claims strict JSON.

import { invalid } from '../../base/errors.ts';
import { type JsonObject, parseStrictJsonObject } from '../strict-json.ts';

/** No token larger than this is read or made. */
export const MAX_JWT_SVID_BYTES = 16_384;

export type CompactJws = {
  readonly header: JsonObject;
  readonly claims: JsonObject;
  readonly signingInput: string;
  readonly signature: Uint8Array;
};

/** Throws `invalid-argument` naming the part and the rule. */
export function parseCompactJws(token: string): CompactJws {
  if (token.length > MAX_JWT_SVID_BYTES) {
    throw invalid(`token: ${token.length} bytes exceed ${MAX_JWT_SVID_BYTES}`);
  }
  const parts = token.split('.', 4);
  const [header = '', claims = '', signature = ''] = parts;
  if (parts.length !== 3) throw invalid('token: not three parts joined by dots');
  return {
    header: readObject(header, 'token header'),
    claims: readObject(claims, 'token claims'),
    signingInput: token.slice(0, -(signature.length + 1)),
    signature: decode(signature, 'token signature'),
  };
}

function readObject(part: string, field: string): JsonObject {
  return parseStrictJsonObject(decode(part, field), { field, maxBytes: MAX_JWT_SVID_BYTES });
}

function decode(part: string, field: string): Uint8Array {
  const bytes = Buffer.from(part, 'base64url');
  // Buffer skips what it does not know; only the one right spelling survives the way back.
  if (bytes.toString('base64url') !== part) throw invalid(`${field}: not base64url`);
  return bytes;
}
