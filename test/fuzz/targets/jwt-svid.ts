// JWT-SVIDs, as whole tokens and as claims that are then really signed. No token is believed whose
// signed text is not that of a seed; no claims but those of this audience and trust domain.

import assert from 'node:assert/strict';
import { generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseSpiffeBundle } from '../../../src/spiffe/bundle/bundle-parse.ts';
import { type JwtSvid, validateJwtSvid } from '../../../src/spiffe/jwt-svid/jwt-svid.ts';
import { parseTrustDomain } from '../../../src/spiffe/spiffe-id.ts';
import { accepted, type FuzzTarget, seedsOf, textOf } from '../fuzz-target.ts';

const OURS = parseTrustDomain('example.org');
const AUDIENCE = 'reader';
/** When the seeds are valid. */
const NOW = 1_800_000_000_000;
const TOKENS = [
  'eyJhbGciOiJub25lIn0',
  '"alg":"none"',
  '"alg":"HS256"',
  '"alg":"ES256"',
  '"kid":"k1"',
  '"typ":"JWT"',
  '"sub":"spiffe://example.org/a"',
  '"aud":["reader"]',
  '"aud":"reader"',
  '"exp":1800000100',
  '"nbf":1',
  '"iat":1',
  ',',
  '{',
  '}',
  '[',
  ']',
  '.',
  '=',
  '-_',
];

export const JWT_SVID: FuzzTarget = {
  name: 'jwt-svid',
  dictionary: TOKENS,
  maxBytes: 20_000,
  run: (input) => {
    const token = textOf(input);
    const svid = accepted(() => validate(token, seedKeys()));
    if (svid !== undefined) assert.ok(signedTexts().has(token.slice(0, token.lastIndexOf('.'))));
  },
};

/** An input is a header and claims, one line each. */
export const JWT_SVID_CLAIMS: FuzzTarget = {
  name: 'jwt-svid-claims',
  dictionary: TOKENS,
  maxBytes: 4096,
  run: (input) => {
    const { privateKey, keys } = ownKeys();
    const cut = input.indexOf(0x0a);
    const header = input.subarray(0, cut === -1 ? input.length : cut);
    const claims = cut === -1 ? new Uint8Array() : input.subarray(cut + 1);
    const text = [header, claims].map((part) => Buffer.from(part).toString('base64url')).join('.');
    const signature = sign('sha256', Buffer.from(text), {
      key: privateKey,
      dsaEncoding: 'ieee-p1363',
    });
    const svid = accepted(() => validate(`${text}.${signature.toString('base64url')}`, keys));
    if (svid === undefined) return;
    const signed = JSON.parse(textOf(claims)) as Readonly<Record<string, unknown>>;
    assert.equal(svid.spiffeId, signed['sub']);
    assert.match(svid.spiffeId, /^spiffe:\/\/example\.org\//);
    assert.ok([signed['aud']].flat().includes(AUDIENCE));
    assert.ok(Number(signed['exp']) * 1000 > NOW - 61_000);
  },
};

type Keys = ReturnType<typeof parseSpiffeBundle>['bundle']['jwtAuthorities'];

function validate(token: string, keys: Keys): JwtSvid {
  return validateJwtSvid(token, {
    audience: AUDIENCE,
    authoritiesOf: (trustDomain) => (trustDomain === OURS ? keys : undefined),
    now: NOW,
  });
}

let ofSeeds: Keys | undefined;
function seedKeys(): Keys {
  const bundle = join(import.meta.dirname, '../seeds/bundle/jwt-authorities');
  ofSeeds ??= parseSpiffeBundle(readFileSync(bundle), OURS).bundle.jwtAuthorities;
  return ofSeeds;
}

let texts: ReadonlySet<string> | undefined;
function signedTexts(): ReadonlySet<string> {
  texts ??= new Set(
    seedsOf('jwt-svid').map((seed) => textOf(seed).slice(0, textOf(seed).lastIndexOf('.'))),
  );
  return texts;
}

let own: { privateKey: KeyObject; keys: Keys } | undefined;
function ownKeys() {
  if (own === undefined) {
    const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    own = { privateKey, keys: new Map([['k1', publicKey]]) };
  }
  return own;
}
