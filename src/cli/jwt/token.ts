// A token taken apart, not believed. What is in it may be shown; the token itself never is.

import { readFileSync } from 'node:fs';
import { CodedError, invalid } from '../../base/errors.ts';
import { decodeJws, parseJwsObject, splitCompactJws } from '../../spiffe/jwt-svid/compact-jws.ts';
import type { JsonObject, JsonValue } from '../../spiffe/strict-json.ts';

export type ReadToken = {
  readonly header: JsonObject;
  readonly claims: JsonObject;
  readonly signature: Uint8Array;
  readonly signingInput: string;
  /** Characters of the whole. */
  readonly length: number;
  /** Read from a file, which others may read as well. */
  readonly isFromFile: boolean;
};

/** Longer than any consumer takes, so that it can be said which do not. */
const MAX_TOKEN_BYTES = 64 * 1024;
const MAX_FILE_BYTES = 1024 * 1024;

/** Throws `invalid-argument` for what is no signed JWT at all. */
export function readToken(text: string, isFromFile = false): ReadToken {
  const token = text.trim();
  const { header, claims, signature, signingInput } = splitCompactJws(token, MAX_TOKEN_BYTES);
  return {
    header: parseJwsObject(header, 'token header', MAX_TOKEN_BYTES),
    claims: parseJwsObject(claims, 'token claims', MAX_TOKEN_BYTES),
    signature: decodeJws(signature, 'token signature'),
    signingInput,
    length: token.length,
    isFromFile,
  };
}

/** `-`: standard input. Throws `invalid-argument` naming the file. */
export function readTokenFile(path: string): string {
  try {
    const bytes = readFileSync(path === '-' ? 0 : path);
    if (bytes.length > MAX_FILE_BYTES) throw invalid(`${path}: over ${MAX_FILE_BYTES} bytes`);
    return bytes.toString('latin1');
  } catch (thrown) {
    if (thrown instanceof CodedError) throw thrown;
    throw invalid(`${path}: cannot be read`, thrown);
  }
}

/** A member that is a text; '' otherwise. */
export function textIn(members: JsonObject, name: string): string {
  const value = members.get(name);
  return typeof value === 'string' ? value : '';
}

/** The audiences, of either form that RFC 7519 §4.1.3 has. */
export function audiencesOf({ claims }: ReadToken): readonly string[] {
  const claim = claims.get('aud');
  const values: readonly JsonValue[] = Array.isArray(claim) ? claim : [claim ?? null];
  return values.filter((value) => typeof value === 'string');
}
