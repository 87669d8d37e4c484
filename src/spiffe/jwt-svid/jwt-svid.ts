// Validating JWT-SVIDs, to the letter of JWT-SVID §4 and RFC 7519 §7.2: algorithm first, then the
// key of the token's own trust domain, then the signature, and only then the claims.

import type { KeyObject } from 'node:crypto';
import { invalid } from '../../base/errors.ts';
import {
  parseSpiffeId,
  pathOf,
  type SpiffeId,
  type TrustDomain,
  trustDomainOf,
} from '../spiffe-id.ts';
import type { JsonObject, JsonValue } from '../strict-json.ts';
import { decodeJws, parseJwsObject, splitCompactJws } from './compact-jws.ts';
import { isJwtSignature, type JwtAlgorithm, jwtAlgorithm } from './jwt-algorithm.ts';

export type JwtSvid = {
  readonly spiffeId: SpiffeId;
  readonly audience: readonly string[];
  /** Milliseconds since the epoch. */
  readonly expiresAt: number;
  readonly keyId: string;
  /** All claims, as they were signed. */
  readonly claims: JsonObject;
};

export type JwtSvidValidation = {
  /** The validator's own audience. */
  readonly audience: string;
  /** The JWT authorities of a trust domain by key id; undefined when it is not trusted. */
  readonly authoritiesOf: (trustDomain: TrustDomain) => ReadonlyMap<string, KeyObject> | undefined;
  /** Milliseconds since the epoch. */
  readonly now: number;
  /** How far the signer's clock may be off. */
  readonly leewayMs?: number;
};

export const DEFAULT_LEEWAY_MS = 60_000;

/** Throws `invalid-argument` naming the part of the token and the rule. */
export function validateJwtSvid(token: string, validation: JwtSvidValidation): JwtSvid {
  const parts = splitCompactJws(token);
  const { algorithm, keyId } = readHeader(parseJwsObject(parts.header, 'token header'));
  const claims = parseJwsObject(parts.claims, 'token claims');
  const spiffeId = readSubject(claims);
  const trustDomain = trustDomainOf(spiffeId);
  // JWT-SVID §6.2: keys of that trust domain and that id; never a try of all the others.
  const key = validation.authoritiesOf(trustDomain)?.get(keyId);
  if (key === undefined) throw invalid(`kid: no JWT authority of ${trustDomain}`);
  const signature = decodeJws(parts.signature, 'token signature');
  if (!isJwtSignature(parts.signingInput, signature, { key, algorithm })) {
    throw invalid('token signature: does not verify');
  }
  const expiresAt = checkDates(claims, validation);
  const audience = readAudience(claims);
  if (!audience.includes(validation.audience)) throw invalid('aud: another audience');
  return { spiffeId, audience, expiresAt, keyId, claims };
}

const HEADER_NAMES: ReadonlySet<string> = new Set(['alg', 'kid', 'typ']);
const TYPES: ReadonlySet<unknown> = new Set([undefined, 'JWT', 'JOSE']);

function readHeader(header: JsonObject): { algorithm: JwtAlgorithm; keyId: string } {
  // JWT-SVID §4: before any other processing.
  const algorithm = jwtAlgorithm(header.get('alg'));
  if (algorithm === undefined) throw invalid('alg: not an algorithm of JWT-SVID');
  for (const name of header.keys()) {
    if (!HEADER_NAMES.has(name)) throw invalid('token header: only alg, kid and typ are allowed');
  }
  // JWT-SVID §2.3; other types are other tokens.
  if (!TYPES.has(header.get('typ'))) throw invalid('typ: neither JWT nor JOSE');
  const keyId = header.get('kid');
  if (typeof keyId !== 'string' || keyId === '') throw invalid('kid: missing');
  return { algorithm, keyId };
}

function readSubject(claims: JsonObject): SpiffeId {
  const subject = claims.get('sub');
  if (typeof subject !== 'string') throw invalid('sub: missing or not a string');
  const spiffeId = parseSpiffeId(subject);
  // JWT-SVID §3.1: of the workload that it was issued to.
  if (pathOf(spiffeId) === '') throw invalid('sub: names a trust domain, not a workload');
  return spiffeId;
}

/** RFC 7519 §4.1.4 to 4.1.6; only `exp` must be there (JWT-SVID §3.3). */
function checkDates(claims: JsonObject, validation: JwtSvidValidation): number {
  const { now, leewayMs = DEFAULT_LEEWAY_MS } = validation;
  const expiresAt = readDate(claims, 'exp');
  const notBefore = readDate(claims, 'nbf');
  const issuedAt = readDate(claims, 'iat');
  if (expiresAt === undefined) throw invalid('exp: missing');
  if (now >= expiresAt + leewayMs) throw invalid('exp: expired');
  if (notBefore !== undefined && now < notBefore - leewayMs) throw invalid('nbf: not valid yet');
  if (issuedAt !== undefined && now < issuedAt - leewayMs) throw invalid('iat: in the future');
  return expiresAt;
}

/** The latest date of a four-digit year, in seconds. */
const MAX_DATE = 253_402_300_799;

// RFC 7519 §2: a NumericDate may have a fraction.
function readDate(claims: JsonObject, name: string): number | undefined {
  const date = claims.get(name);
  if (date === undefined) return undefined;
  if (typeof date === 'number' && date >= 0 && date <= MAX_DATE) return date * 1000;
  throw invalid(`${name}: not a date`);
}

/** RFC 7519 §4.1.3: one string, or a list of them. */
function readAudience(claims: JsonObject): readonly string[] {
  const claim = claims.get('aud');
  const values: readonly JsonValue[] = Array.isArray(claim) ? claim : [claim ?? null];
  return values.map((value) => {
    if (typeof value !== 'string') throw invalid('aud: missing or not a list of strings');
    return value;
  });
}
