// JWT-SVIDs made, and validated when they are as they should be.

import assert from 'node:assert/strict';
import { constants, generateKeyPairSync, sign } from 'node:crypto';
import { suite, test } from 'node:test';
import * as fc from 'fast-check';
import { jwtVerify } from 'jose';
import { CodedError } from '../../../../src/base/errors.ts';
import { MAX_JWT_SVID_BYTES } from '../../../../src/spiffe/jwt-svid/compact-jws.ts';
import { jwtAlgorithm, signJwt } from '../../../../src/spiffe/jwt-svid/jwt-algorithm.ts';
import {
  assembleJwtSvid,
  type JwtSvidRequest,
  prepareJwtSvid,
} from '../../../../src/spiffe/jwt-svid/jwt-svid-signing.ts';
import {
  claims,
  ec,
  forge,
  header,
  kidOf,
  MINUTE,
  make,
  NOW,
  refused,
  rsa,
  SECONDS,
  valid,
  validate,
} from './jwt-svid-fixtures.ts';

const readPart = (token: string, part: 0 | 1) =>
  JSON.parse(Buffer.from(token.split('.')[part] ?? '', 'base64url').toString()) as unknown;

suite('signing', () => {
  for (const [name, key] of [
    ['ES256', ec.privateKey],
    ['RS256', rsa.privateKey],
  ] as const) {
    test(`JW-02 JW-03 JW-05 JW-06 ${name}: header of alg, kid and typ`, async () => {
      const token = make({}, key);
      assert.deepEqual(readPart(token, 0), { alg: name, kid: kidOf(key), typ: 'JWT' });
      const currentDate = new Date(NOW);
      await jwtVerify(token, key === ec.privateKey ? ec.publicKey : rsa.publicKey, { currentDate });
      assert.equal(validate(token).spiffeId, valid.spiffeId);
    });
  }
  test('JW-07 JW-08 JW-11 JW-20 claims: sub, aud as a list, whole iat and exp', () => {
    const token = make({ issuedAt: NOW + 999, expiresAt: NOW + MINUTE + 1 });
    assert.deepEqual(readPart(token, 1), {
      sub: 'spiffe://example.org/a',
      aud: ['vault'],
      iat: SECONDS,
      exp: SECONDS + 60,
    });
    const { issuedAt, expiresAt } = prepareJwtSvid({ ...valid, issuedAt: NOW + 999 });
    assert.deepEqual([issuedAt, expiresAt], [NOW, NOW + 5 * MINUTE]);
  });
  test('JW-19 iss and jti only when asked for', () => {
    const claims = readPart(make({ issuer: 'https://oidc.test', tokenId: 't1' }), 1);
    assert.deepEqual(claims, {
      iss: 'https://oidc.test',
      sub: 'spiffe://example.org/a',
      aud: ['vault'],
      iat: SECONDS,
      exp: SECONDS + 300,
      jti: 't1',
    });
  });
  test('further claims by any name, `__proto__` too', () => {
    const claims = new Map([
      ['agent_task', 'a "quoted" one'],
      ['__proto__', 'x'],
    ]);
    const svid = validate(make({ claims }));
    assert.equal(svid.claims.get('agent_task'), 'a "quoted" one');
    assert.equal(svid.claims.get('__proto__'), 'x');
  });

  const cases: readonly [name: string, change: Partial<JwtSvidRequest>, rule: RegExp][] = [
    ['JW-08 no audience', { audience: [] }, /aud: must not be empty/],
    ['JW-08 an empty audience', { audience: ['vault', ''] }, /empty value/],
    ['JW-10 an audience twice', { audience: ['vault', 'vault'] }, /repeat/],
    ['JW-11 an end that is not after the start', { expiresAt: NOW + 999 }, /not after iat/],
    ['JW-11 no date', { expiresAt: Number.NaN }, /not a date/],
    ...['iss', 'sub', 'aud', 'exp', 'nbf', 'iat', 'jti'].map(
      (name): [string, Partial<JwtSvidRequest>, RegExp] => [
        `a further claim named ${name}`,
        { claims: new Map([[name, 'x']]) },
        /reserved/,
      ],
    ),
    [
      'a token over 16 KiB',
      { claims: new Map([['agent_task', 'a'.repeat(MAX_JWT_SVID_BYTES)]]) },
      /exceed 16384/,
    ],
  ];
  for (const [name, change, rule] of cases) {
    test(`refused: ${name}`, () => assert.throws(() => make(change), refused(rule)));
  }
  test('refused: a key no algorithm fits', () => {
    const { privateKey } = generateKeyPairSync('ed25519');
    assert.throws(() => signJwt('a.b', privateKey), refused(/no JWT-SVID algorithm/));
  });
});

suite('accepted', () => {
  const cases: readonly [name: string, header: object, claims: object][] = [
    ['the least there can be', { alg: 'ES256', kid: valid.keyId }, { ...claims, iat: undefined }],
    ['JW-06 typ JOSE', { ...header, typ: 'JOSE' }, claims],
    ['JW-14 aud as one string', header, { ...claims, aud: 'vault' }],
    ['JW-09 one of several audiences', header, { ...claims, aud: ['a', 'vault'] }],
    ['JW-12 exp with a fraction', header, { ...claims, exp: SECONDS + 0.5 }],
    ['JW-12 exp just passed', header, { ...claims, exp: SECONDS - 59 }],
    ['JW-14 nbf now', header, { ...claims, nbf: SECONDS }],
    ['iat just ahead', header, { ...claims, iat: SECONDS + 60 }],
    ['JW-19 jti', header, { ...claims, jti: 'x' }],
  ];
  for (const [name, header, claims] of cases) {
    test(name, () => {
      const svid = validate(forge(header, claims));
      assert.equal(svid.spiffeId, valid.spiffeId);
      assert.equal(svid.keyId, valid.keyId);
    });
  }
  for (const name of ['RS384', 'RS512', 'PS256', 'PS384', 'PS512']) {
    test(`JW-03 ${name}`, () => {
      const algorithm = jwtAlgorithm(name);
      assert.ok(algorithm?.keyType === 'rsa');
      const { signingInput } = prepareJwtSvid({
        ...valid,
        algorithm,
        keyId: kidOf(rsa.publicKey),
      });
      const { RSA_PKCS1_PSS_PADDING: padding, RSA_PSS_SALTLEN_DIGEST: saltLength } = constants;
      const options = algorithm.pss ? { padding, saltLength } : {};
      const key = { key: rsa.privateKey, ...options };
      const signature = sign(algorithm.digest, Buffer.from(signingInput), key);
      validate(assembleJwtSvid(signingInput, signature));
    });
  }
  for (const [name, curve] of [
    ['ES384', 'P-384'],
    ['ES512', 'P-521'],
  ] as const) {
    test(`JW-03 ${name}`, () => {
      const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: curve });
      const token = make({}, privateKey);
      assert.deepEqual(readPart(token, 0), { alg: name, kid: kidOf(publicKey), typ: 'JWT' });
      const keys = new Map([[kidOf(publicKey), publicKey]]);
      validate(token, { authoritiesOf: () => keys });
    });
  }
});

suite('properties', () => {
  const token = make();
  test('any changed character is refused with a coded error', () => {
    const character = fc.constantFrom(...'AZaz09-_.+/= é'.split(''));
    fc.assert(
      fc.property(fc.nat(token.length - 1), character, (at, character) => {
        fc.pre(token[at] !== character);
        const mutated = token.slice(0, at) + character + token.slice(at + 1);
        assert.throws(() => validate(mutated), CodedError);
      }),
      { numRuns: 500 },
    );
  });
  test('what is signed is what is validated', () => {
    const audience = fc.uniqueArray(fc.string({ minLength: 1, unit: 'grapheme' }), {
      minLength: 1,
    });
    const extra = fc.array(
      fc.tuple(
        fc.string().map((name) => `agent_${name}`),
        fc.string({ unit: 'grapheme' }),
      ),
      { maxLength: 5 },
    );
    fc.assert(
      fc.property(audience, extra, (audience, extra) => {
        const [wanted = ''] = audience;
        const svid = validate(make({ audience, claims: new Map(extra) }), { audience: wanted });
        assert.deepEqual(svid.audience, audience);
        assert.equal(svid.expiresAt, valid.expiresAt);
        for (const [name, value] of new Map(extra)) assert.equal(svid.claims.get(name), value);
      }),
    );
  });
});
