// JWT-SVIDs made and validated: a valid token, and the same with one thing wrong.

import assert from 'node:assert/strict';
import { constants, generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import { suite, test } from 'node:test';
import * as fc from 'fast-check';
import { jwtVerify } from 'jose';
import { CodedError } from '../../../../src/base/errors.ts';
import { MAX_JWT_SVID_BYTES } from '../../../../src/spiffe/jwt-svid/compact-jws.ts';
import { jwkThumbprint, publicJwk } from '../../../../src/spiffe/jwt-svid/jwk.ts';
import {
  jwtAlgorithm,
  signingAlgorithmOf,
  signJwt,
} from '../../../../src/spiffe/jwt-svid/jwt-algorithm.ts';
import {
  DEFAULT_LEEWAY_MS,
  type JwtSvidValidation,
  validateJwtSvid,
} from '../../../../src/spiffe/jwt-svid/jwt-svid.ts';
import {
  assembleJwtSvid,
  type JwtSvidRequest,
  prepareJwtSvid,
} from '../../../../src/spiffe/jwt-svid/jwt-svid-signing.ts';
import { parseSpiffeId } from '../../../../src/spiffe/spiffe-id.ts';

const NOW = Date.UTC(2026, 0, 15);
const MINUTE = 60_000;
const SECONDS = NOW / 1000;
const ec = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 });
const kidOf = (key: KeyObject) => jwkThumbprint(publicJwk(key));
const authorities = new Map([ec, rsa].map(({ publicKey }) => [kidOf(publicKey), publicKey]));
const refused = (rule: RegExp) => (thrown: unknown) =>
  thrown instanceof CodedError && thrown.code === 'invalid-argument' && rule.test(thrown.message);

const valid: JwtSvidRequest = {
  algorithm: signingAlgorithmOf(ec.privateKey),
  keyId: kidOf(ec.publicKey),
  spiffeId: parseSpiffeId('spiffe://example.org/a'),
  audience: ['vault'],
  issuedAt: NOW,
  expiresAt: NOW + 5 * MINUTE,
};
const make = (change: Partial<JwtSvidRequest> = {}, key = ec.privateKey) => {
  const request = { ...valid, algorithm: signingAlgorithmOf(key), keyId: kidOf(key), ...change };
  const { signingInput } = prepareJwtSvid(request);
  return assembleJwtSvid(signingInput, signJwt(signingInput, key));
};
const validate = (token: string, change: Partial<JwtSvidValidation> = {}) =>
  validateJwtSvid(token, {
    audience: 'vault',
    authoritiesOf: (name) => (name === 'example.org' ? authorities : undefined),
    now: NOW,
    ...change,
  });
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

/** A token of these parts, signed with the P-256 key. */
function forge(header: object | string, claims: object | string): string {
  const encode = (part: object | string) =>
    Buffer.from(typeof part === 'string' ? part : JSON.stringify(part)).toString('base64url');
  const signingInput = `${encode(header)}.${encode(claims)}`;
  return assembleJwtSvid(signingInput, signJwt(signingInput, ec.privateKey));
}

const header = { alg: 'ES256', kid: valid.keyId, typ: 'JWT' };
const claims = { sub: valid.spiffeId, aud: ['vault'], iat: SECONDS, exp: SECONDS + 300 };

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
