// Making a JWT-SVID in three steps: prepare the text to sign, sign it wherever the key is, assemble.
// The first and last are pure; the claims of the standard are ours alone to set.

import { invalid } from '../../base/errors.ts';
import type { SpiffeId } from '../spiffe-id.ts';
import { MAX_JWT_SVID_BYTES } from './compact-jws.ts';
import type { JwtAlgorithm } from './jwt-algorithm.ts';

export type JwtSvidRequest = {
  /** Of the key that will sign: `signingAlgorithmOf`. */
  readonly algorithm: JwtAlgorithm;
  readonly keyId: string;
  readonly spiffeId: SpiffeId;
  readonly audience: readonly string[];
  /** Milliseconds since the epoch; parts of a second are cut off. */
  readonly issuedAt: number;
  readonly expiresAt: number;
  /** `iss`. */
  readonly issuer?: string;
  /** `jti`. */
  readonly tokenId?: string;
  /** Further claims; which names are allowed is the caller's business. */
  readonly claims?: ReadonlyMap<string, string>;
};

export type PreparedJwtSvid = {
  /** ASCII: header and claims, encoded and joined. */
  readonly signingInput: string;
  /** As in the claims: whole seconds, in milliseconds since the epoch. */
  readonly issuedAt: number;
  readonly expiresAt: number;
};

/** RFC 7519 §4.1: set by us or not at all. */
const RESERVED: ReadonlySet<string> = new Set(['iss', 'sub', 'aud', 'exp', 'nbf', 'iat', 'jti']);

/** Throws `invalid-argument` naming the claim and the rule. */
export function prepareJwtSvid(request: JwtSvidRequest): PreparedJwtSvid {
  const { algorithm, keyId, audience } = request;
  const issuedAt = Math.floor(request.issuedAt / 1000);
  const expiresAt = Math.floor(request.expiresAt / 1000);
  checkAudience(audience);
  if (!Number.isSafeInteger(issuedAt) || !Number.isSafeInteger(expiresAt)) {
    throw invalid('exp: not a date');
  }
  if (expiresAt <= issuedAt) throw invalid('exp: not after iat');
  // JWT-SVID §2: these three parameters and no others. §2.2 leaves `kid` open; validators do not.
  const header = [member('alg', algorithm.name), member('kid', keyId), member('typ', 'JWT')];
  const claims = [
    ...(request.issuer === undefined ? [] : [member('iss', request.issuer)]),
    member('sub', request.spiffeId),
    // RFC 7519 §4.1.3 has a short form for one audience; some readers know only the array.
    member('aud', audience),
    member('iat', issuedAt),
    member('exp', expiresAt),
    ...(request.tokenId === undefined ? [] : [member('jti', request.tokenId)]),
    ...furtherClaims(request.claims ?? new Map()),
  ];
  const signingInput = `${encode(header)}.${encode(claims)}`;
  return { signingInput, issuedAt: issuedAt * 1000, expiresAt: expiresAt * 1000 };
}

/** The token. Throws `invalid-argument` when it would be larger than any validator takes. */
export function assembleJwtSvid(signingInput: string, signature: Uint8Array): string {
  const token = `${signingInput}.${Buffer.from(signature).toString('base64url')}`;
  if (token.length > MAX_JWT_SVID_BYTES) {
    throw invalid(`JWT-SVID: ${token.length} bytes exceed ${MAX_JWT_SVID_BYTES}`);
  }
  return token;
}

function checkAudience(audience: readonly string[]): void {
  if (audience.length === 0) throw invalid('aud: must not be empty');
  if (audience.some((one) => one === '')) throw invalid('aud: must not hold an empty value');
  if (new Set(audience).size < audience.length) throw invalid('aud: must not repeat a value');
}

function furtherClaims(claims: ReadonlyMap<string, string>): string[] {
  for (const name of claims.keys()) {
    if (RESERVED.has(name)) throw invalid(`claim ${name}: reserved`);
  }
  return [...claims].map(([name, value]) => member(name, value));
}

// Written member by member: an object would take `__proto__` for its prototype, not for a name.
function member(name: string, value: string | number | readonly string[]): string {
  return `${JSON.stringify(name)}:${JSON.stringify(value)}`;
}

function encode(members: readonly string[]): string {
  return Buffer.from(`{${members.join(',')}}`).toString('base64url');
}
