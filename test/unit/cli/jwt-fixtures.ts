// A token as Signet makes it, with what a test wants otherwise, and the documents of its issuer.

import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import { parseIssuerUrl } from '../../../src/spiffe/jwt-svid/issuer-url.ts';
import { signJwt } from '../../../src/spiffe/jwt-svid/jwt-algorithm.ts';
import { formatDiscovery, formatOidcKeys } from '../../../src/spiffe/jwt-svid/oidc-documents.ts';

export const ISSUER = 'https://oidc.example.org';
export const SPIFFE_ID = 'spiffe://example.org/ns/city/agent/dispatcher';
export const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 });
export const ec = generateKeyPairSync('ec', { namedCurve: 'P-256' });

type Members = Readonly<Record<string, unknown>>;
export type TokenShape = {
  readonly header?: Members;
  readonly claims?: Members;
  readonly key?: KeyObject;
};

/** Members that are undefined are left out. */
export function makeToken({ header, claims, key = rsa.privateKey }: TokenShape = {}): string {
  const now = Math.floor(Date.now() / 1000);
  const parts = [
    { alg: 'RS256', kid: 'key-1', typ: 'JWT', ...header },
    { iss: ISSUER, sub: SPIFFE_ID, aud: ['x'], iat: now, exp: now + 300, ...claims },
  ].map((part) => Buffer.from(JSON.stringify(part)).toString('base64url'));
  const input = parts.join('.');
  return `${input}.${Buffer.from(signJwt(input, key)).toString('base64url')}`;
}

export const KEYS: ReadonlyMap<string, KeyObject> = new Map([
  ['key-1', rsa.publicKey],
  ['key-2', ec.publicKey],
]);

export const DISCOVERY = formatDiscovery(parseIssuerUrl(ISSUER, 'issuer'), KEYS);
export const JWKS = formatOidcKeys(KEYS);
/** The same keys, for readers of SPIFFE bundles. */
export const BUNDLE = JWKS.replaceAll('"use":"sig"', '"use":"jwt-svid"');
