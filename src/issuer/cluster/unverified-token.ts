// What a token says of itself, unverified: only good for not asking the API server about what it
// would refuse anyway.

import {
  isJsonObject,
  type JsonObject,
  type JsonValue,
  ownValue,
} from '../../template/json-value.ts';

export type TokenClaims = {
  readonly subject: string;
  readonly audiences: readonly string[];
  /** In milliseconds since the epoch. */
  readonly expiresAt: number;
};

const COMPACT = /^([A-Za-z0-9_-]{1,2048})\.([A-Za-z0-9_-]{1,6144})\.[A-Za-z0-9_-]{16,2048}$/;

/** Undefined for what is no signed JWT with the claims that tokens of ServiceAccounts have. */
export function readUnverified(token: string): TokenClaims | undefined {
  const match = COMPACT.exec(token);
  const header = parsePart(match?.[1]);
  const payload = parsePart(match?.[2]);
  if (header === undefined || payload === undefined) return undefined;
  const algorithm = ownValue(header, 'alg');
  if (typeof algorithm !== 'string' || algorithm.toLowerCase() === 'none') return undefined;
  const subject = ownValue(payload, 'sub');
  const expiry = ownValue(payload, 'exp');
  if (typeof subject !== 'string' || typeof expiry !== 'number') return undefined;
  const audience = ownValue(payload, 'aud');
  const audiences: readonly (JsonValue | undefined)[] = Array.isArray(audience)
    ? (audience as readonly JsonValue[])
    : [audience];
  return {
    subject,
    audiences: audiences.filter((each) => typeof each === 'string'),
    expiresAt: expiry * 1000,
  };
}

function parsePart(part: string | undefined): JsonObject | undefined {
  if (part === undefined) return undefined;
  try {
    const value = JSON.parse(Buffer.from(part, 'base64url').toString('utf8')) as JsonValue;
    return isJsonObject(value) ? value : undefined;
  } catch {
    return undefined;
  }
}
