import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { test } from 'node:test';
import { createLocalJWKSet, type JSONWebKeySet, jwtVerify } from 'jose';
import {
  issuerHost,
  issuerPath,
  parseIssuerUrl,
} from '../../../../src/spiffe/jwt-svid/issuer-url.ts';
import { signingAlgorithmOf, signJwt } from '../../../../src/spiffe/jwt-svid/jwt-algorithm.ts';
import {
  assembleJwtSvid,
  prepareJwtSvid,
} from '../../../../src/spiffe/jwt-svid/jwt-svid-signing.ts';
import { formatDiscovery, formatOidcKeys } from '../../../../src/spiffe/jwt-svid/oidc-documents.ts';
import { parseSpiffeId } from '../../../../src/spiffe/spiffe-id.ts';

const parse = (text: string) => parseIssuerUrl(text, 'jwtIssuer');

test('an issuer has a host, perhaps a path, and one spelling', () => {
  const issuer = parse('https://oidc.example.org/prod/eu-1');
  assert.equal(issuer, 'https://oidc.example.org/prod/eu-1');
  assert.equal(issuerHost(issuer), 'oidc.example.org');
  assert.equal(issuerPath(issuer), '/prod/eu-1');
  assert.equal(issuerPath(parse('https://localhost:8443')), '');
  assert.equal(issuerHost(parse('https://localhost:8443')), 'localhost');
});

for (const [what, text] of [
  ['another scheme', 'http://oidc.example.org'],
  ['upper case', 'https://OIDC.example.org'],
  ['a slash at the end', 'https://oidc.example.org/'],
  ['a slash behind the path', 'https://oidc.example.org/a/'],
  ['an empty segment', 'https://oidc.example.org//a'],
  ['a query', 'https://oidc.example.org?a=b'],
  ['a fragment', 'https://oidc.example.org#a'],
  ['a user', 'https://me@oidc.example.org'],
  ['the default port', 'https://oidc.example.org:443'],
  ['a port that is none', 'https://oidc.example.org:70000'],
  ['a dot segment', 'https://oidc.example.org/a/../b'],
  ['an escape', 'https://oidc.example.org/%61'],
  ['a blank', ' https://oidc.example.org'],
  ['a line end', 'https://oidc.example.org\n'],
  ['a router’s wildcard', 'https://oidc.example.org/*'],
  ['no host', 'https:///a'],
  ['a label that ends in a hyphen', 'https://oidc-.example.org'],
  ['256 bytes', `https://oidc.example.org/${'a'.repeat(231)}`],
] as const) {
  test(`no issuer: ${what}`, () => {
    assert.throws(() => parse(text), { code: 'invalid-argument', message: /^jwtIssuer: / });
  });
}

const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 });
const ec = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const keys = new Map([
  ['one', rsa.publicKey],
  ['two', ec.publicKey],
]);

test('discovery says the issuer as it is, and the algorithms of the keys that are there', () => {
  const issuer = parse('https://oidc.example.org/a');
  assert.deepEqual(JSON.parse(formatDiscovery(issuer, keys)), {
    issuer,
    jwks_uri: `${issuer}/keys`,
    response_types_supported: ['id_token'],
    subject_types_supported: ['public'],
    id_token_signing_alg_values_supported: ['ES256', 'RS256'],
  });
  const only = JSON.parse(formatDiscovery(issuer, new Map([['one', rsa.publicKey]]))) as object;
  assert.deepEqual(Object.entries(only).at(-1), [
    'id_token_signing_alg_values_supported',
    ['RS256'],
  ]);
});

test('keys say what they are for and nothing that is private; another library verifies by them', async () => {
  const set = JSON.parse(formatOidcKeys(keys)) as JSONWebKeySet;
  assert.deepEqual(
    set.keys.map(({ kty, use, alg, kid }) => [kty, use, alg, kid]),
    [
      ['RSA', 'sig', 'RS256', 'one'],
      ['EC', 'sig', 'ES256', 'two'],
    ],
  );
  for (const key of set.keys) assert.ok(!('d' in key) && !('x5c' in key));
  for (const [keyId, privateKey] of [
    ['one', rsa.privateKey],
    ['two', ec.privateKey],
  ] as const) {
    const { signingInput } = prepareJwtSvid({
      algorithm: signingAlgorithmOf(privateKey),
      keyId,
      spiffeId: parseSpiffeId('spiffe://example.org/a'),
      audience: ['db'],
      issuedAt: Date.now(),
      expiresAt: Date.now() + 60_000,
      issuer: 'https://oidc.example.org',
    });
    const token = assembleJwtSvid(signingInput, signJwt(signingInput, privateKey));
    const { payload } = await jwtVerify(token, createLocalJWKSet(set), {
      issuer: 'https://oidc.example.org',
      audience: 'db',
    });
    assert.equal(payload.sub, 'spiffe://example.org/a');
  }
});
