// A valid JWT-SVID with one thing wrong.

import assert from 'node:assert/strict';
import { constants, sign } from 'node:crypto';
import { suite, test } from 'node:test';
import { MAX_JWT_SVID_BYTES } from '../../../../src/spiffe/jwt-svid/compact-jws.ts';
import { DEFAULT_LEEWAY_MS } from '../../../../src/spiffe/jwt-svid/jwt-svid.ts';
import { assembleJwtSvid } from '../../../../src/spiffe/jwt-svid/jwt-svid-signing.ts';
import {
  claims,
  ec,
  forge,
  header,
  kidOf,
  make,
  refused,
  rsa,
  SECONDS,
  valid,
  validate,
} from './jwt-svid-fixtures.ts';

suite('refused', () => {
  const cases: readonly [
    name: string,
    header: object | string,
    claims: object | string,
    rule: RegExp,
  ][] = [
    ['JW-04 alg none', { ...header, alg: 'none' }, claims, /alg/],
    ['JW-04 alg HS256', { ...header, alg: 'HS256' }, claims, /alg/],
    ['JW-04 alg EdDSA', { ...header, alg: 'EdDSA' }, claims, /alg/],
    ['JW-04 alg in lower case', { ...header, alg: 'es256' }, claims, /alg/],
    ['JW-04 no alg', { ...header, alg: undefined }, claims, /alg/],
    ['JW-04 alg of the object prototype', { ...header, alg: 'constructor' }, claims, /alg/],
    ['JW-13 a wrong alg before all else', { alg: 'none', crit: ['x'] }, 'no JSON', /alg/],
    [
      'JW-02 another parameter',
      { ...header, jku: 'https://a.test' },
      claims,
      /only alg, kid and typ/,
    ],
    ['JW-02 crit', { ...header, crit: ['exp'] }, claims, /only alg, kid and typ/],
    ['JW-02 a parameter twice', '{"alg":"none","alg":"ES256"}', claims, /twice/],
    ['JW-06 typ at+jwt', { ...header, typ: 'at+jwt' }, claims, /typ/],
    ['JW-06 typ wit+jwt', { ...header, typ: 'wit+jwt' }, claims, /typ/],
    ['JW-06 typ in lower case', { ...header, typ: 'jwt' }, claims, /typ/],
    ['JW-06 typ null', { ...header, typ: null }, claims, /typ/],
    ['PF-01 no kid', { ...header, kid: undefined }, claims, /kid: missing/],
    ['PF-01 an empty kid', { ...header, kid: '' }, claims, /kid: missing/],
    ['PF-01 a kid that is a number', { ...header, kid: 1 }, claims, /kid: missing/],
    [
      'JW-21 an unknown kid',
      { ...header, kid: 'x' },
      claims,
      /kid: no JWT authority of example\.org/,
    ],
    ['JW-21 the kid of another key', { ...header, kid: kidOf(rsa.publicKey) }, claims, /verify/],
    ['JW-21 alg of another curve', { ...header, alg: 'ES384' }, claims, /verify/],
    ['JW-21 alg of another type', { ...header, alg: 'RS256' }, claims, /verify/],
    ['JW-07 no sub', header, { ...claims, sub: undefined }, /sub: missing/],
    ['JW-07 sub that is no ID', header, { ...claims, sub: 'agent' }, /scheme/],
    ['JW-07 sub with dot segments', header, { ...claims, sub: 'spiffe://example.org/../a' }, /dot/],
    [
      'JW-07 sub without a path',
      header,
      { ...claims, sub: 'spiffe://example.org' },
      /sub: names a trust domain/,
    ],
    ['JW-07 sub that is a list', header, { ...claims, sub: [valid.spiffeId] }, /sub/],
    [
      'JW-21 another trust domain',
      header,
      { ...claims, sub: 'spiffe://b.test/a' },
      /no JWT authority of b\.test/,
    ],
    ['JW-09 no aud', header, { ...claims, aud: undefined }, /aud: missing/],
    ['JW-09 an empty aud', header, { ...claims, aud: [] }, /another audience/],
    ['JW-09 another aud', header, { ...claims, aud: ['vaults'] }, /another audience/],
    ['JW-09 aud with a number', header, { ...claims, aud: ['vault', 1] }, /aud/],
    ['JW-12 no exp', header, { ...claims, exp: undefined }, /exp: missing/],
    ['JW-12 exp past', header, { ...claims, exp: SECONDS - 60 }, /expired/],
    ['JW-12 exp that is text', header, { ...claims, exp: String(SECONDS + 60) }, /exp: not a date/],
    ['JW-12 exp that is negative', header, { ...claims, exp: -1 }, /exp: not a date/],
    ['JW-12 exp past any year', header, { ...claims, exp: 1e300 }, /exp: not a date/],
    ['JW-14 nbf ahead', header, { ...claims, nbf: SECONDS + 61 }, /nbf/],
    ['iat ahead', header, { ...claims, iat: SECONDS + 61 }, /iat/],
    ['iat that is text', header, { ...claims, iat: 'now' }, /iat: not a date/],
    ['a claim twice', header, '{"sub":"spiffe://example.org/a","sub":"x"}', /twice/],
    ['claims that are a list', header, '[]', /not a JSON object/],
    ['claims that are no JSON', header, 'a', /not JSON/],
  ];
  for (const [name, header, claims, rule] of cases) {
    test(name, () => assert.throws(() => validate(forge(header, claims)), refused(rule)));
  }

  const token = make();
  const [head = '', body = '', signature = ''] = token.split('.');
  const texts: readonly [name: string, token: string, rule: RegExp][] = [
    ['JW-01 the JSON serialisation', `{"payload":"${body}","signatures":[]}`, /three parts/],
    ['JW-01 nothing', '', /three parts/],
    ['JW-01 two parts', `${head}.${body}`, /three parts/],
    ['JW-01 four parts', `${token}.`, /three parts/],
    ['JW-01 five parts, as an encrypted token has', `${token}.a.b`, /three parts/],
    ['JW-01 padding', `${head}=.${body}.${signature}`, /base64url/],
    ['JW-01 the other base64', `${head}.${body}.${signature.slice(0, -2)}+/`, /base64url/],
    ['JW-01 a line feed', `${token}\n`, /base64url/],
    ['no signature', `${head}.${body}.`, /verify/],
    ['a signature of zeros', `${head}.${body}.${Buffer.alloc(64).toString('base64url')}`, /verify/],
    ['a cut signature', `${head}.${body}.${signature.slice(0, 84)}`, /verify/],
    ['more than 16 KiB', `${token}${'A'.repeat(MAX_JWT_SVID_BYTES)}`, /exceed 16384/],
  ];
  for (const [name, text, rule] of texts) {
    test(name, () => assert.throws(() => validate(text), refused(rule)));
  }
  test('JW-21 a signature that another algorithm would take', () => {
    const signedBy = (alg: string, how: (input: Buffer) => Buffer) => {
      const [signingInput = ''] = forge({ ...header, alg }, claims).split(/\.[^.]*$/);
      return assembleJwtSvid(signingInput, how(Buffer.from(signingInput)));
    };
    const asRsa = signedBy('RS256', (input) => sign('sha256', input, ec.privateKey));
    const asP384 = signedBy('ES384', (input) =>
      sign('sha384', input, { key: ec.privateKey, dsaEncoding: 'ieee-p1363' }),
    );
    for (const text of [asRsa, asP384]) {
      assert.throws(() => validate(text), refused(/verify/));
    }
  });
  test('JW-03 PS256 with a salt of another size', () => {
    const keyId = kidOf(rsa.publicKey);
    const [signingInput = ''] = forge({ alg: 'PS256', kid: keyId }, claims).split(/\.[^.]*$/);
    const key = { key: rsa.privateKey, padding: constants.RSA_PKCS1_PSS_PADDING };
    const withSalt = (saltLength: number) => {
      const signature = sign('sha256', Buffer.from(signingInput), { ...key, saltLength });
      return assembleJwtSvid(signingInput, signature);
    };
    validate(withSalt(32));
    assert.throws(() => validate(withSalt(20)), refused(/verify/));
  });
  test('an ECDSA signature with a zero before each number', () => {
    const bytes = Buffer.from(signature, 'base64url');
    const zero = Uint8Array.of(0);
    const padded = Buffer.concat([zero, bytes.subarray(0, 32), zero, bytes.subarray(32)]);
    assert.throws(() => validate(assembleJwtSvid(`${head}.${body}`, padded)), refused(/verify/));
  });
  test('an ECDSA signature in DER', () => {
    const der = sign('sha256', Buffer.from(`${head}.${body}`), ec.privateKey);
    assert.throws(() => validate(assembleJwtSvid(`${head}.${body}`, der)), refused(/verify/));
  });
  test('JW-12 no leeway when none is given', () => {
    const late = forge(header, { ...claims, exp: SECONDS });
    validate(late, { leewayMs: DEFAULT_LEEWAY_MS });
    assert.throws(() => validate(late, { leewayMs: 0 }), refused(/expired/));
  });
  test('JW-18 a trust domain without JWT authorities', () => {
    assert.throws(() => validate(token, { authoritiesOf: () => new Map() }), refused(/no JWT/));
  });
});
