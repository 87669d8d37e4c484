// A valid JWT-SVID, and what makes and validates others like it.

import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import { CodedError } from '../../../../src/base/errors.ts';
import { jwkThumbprint, publicJwk } from '../../../../src/spiffe/jwt-svid/jwk.ts';
import { signingAlgorithmOf, signJwt } from '../../../../src/spiffe/jwt-svid/jwt-algorithm.ts';
import {
  type JwtSvidValidation,
  validateJwtSvid,
} from '../../../../src/spiffe/jwt-svid/jwt-svid.ts';
import {
  assembleJwtSvid,
  type JwtSvidRequest,
  prepareJwtSvid,
} from '../../../../src/spiffe/jwt-svid/jwt-svid-signing.ts';
import { parseSpiffeId } from '../../../../src/spiffe/spiffe-id.ts';

export const NOW = Date.UTC(2026, 0, 15);
export const MINUTE = 60_000;
export const SECONDS = NOW / 1000;
export const ec = generateKeyPairSync('ec', { namedCurve: 'P-256' });
export const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 });
export const kidOf = (key: KeyObject) => jwkThumbprint(publicJwk(key));
const authorities = new Map([ec, rsa].map(({ publicKey }) => [kidOf(publicKey), publicKey]));
export const refused = (rule: RegExp) => (thrown: unknown) =>
  thrown instanceof CodedError && thrown.code === 'invalid-argument' && rule.test(thrown.message);

export const valid: JwtSvidRequest = {
  algorithm: signingAlgorithmOf(ec.privateKey),
  keyId: kidOf(ec.publicKey),
  spiffeId: parseSpiffeId('spiffe://example.org/a'),
  audience: ['vault'],
  issuedAt: NOW,
  expiresAt: NOW + 5 * MINUTE,
};
export const make = (change: Partial<JwtSvidRequest> = {}, key = ec.privateKey) => {
  const request = { ...valid, algorithm: signingAlgorithmOf(key), keyId: kidOf(key), ...change };
  const { signingInput } = prepareJwtSvid(request);
  return assembleJwtSvid(signingInput, signJwt(signingInput, key));
};
export const validate = (token: string, change: Partial<JwtSvidValidation> = {}) =>
  validateJwtSvid(token, {
    audience: 'vault',
    authoritiesOf: (name) => (name === 'example.org' ? authorities : undefined),
    now: NOW,
    ...change,
  });

/** A token of these parts, signed with the P-256 key. */
export function forge(header: object | string, claims: object | string): string {
  const encode = (part: object | string) =>
    Buffer.from(typeof part === 'string' ? part : JSON.stringify(part)).toString('base64url');
  const signingInput = `${encode(header)}.${encode(claims)}`;
  return assembleJwtSvid(signingInput, signJwt(signingInput, ec.privateKey));
}

export const header = { alg: 'ES256', kid: valid.keyId, typ: 'JWT' };
export const claims = { sub: valid.spiffeId, aud: ['vault'], iat: SECONDS, exp: SECONDS + 300 };
