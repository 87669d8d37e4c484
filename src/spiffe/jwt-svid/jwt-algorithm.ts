// The signature algorithms of JWT-SVIDs (JWT-SVID §2.1, RFC 7518 §3.1): a closed list, each bound to
// one type of key, so that `none`, a shared secret or a key of another type is never tried.

import { constants, type KeyObject, sign, verify } from 'node:crypto';
import { invalid } from '../../base/errors.ts';

export type JwtAlgorithm = { readonly name: string } & (
  | { readonly keyType: 'rsa'; readonly digest: string; readonly pss: boolean }
  | { readonly keyType: 'ec'; readonly digest: string; readonly curve: string }
);

const ALGORITHMS: ReadonlyMap<unknown, JwtAlgorithm> = new Map(
  [
    rsa('RS256', 'sha256', false),
    rsa('RS384', 'sha384', false),
    rsa('RS512', 'sha512', false),
    rsa('PS256', 'sha256', true),
    rsa('PS384', 'sha384', true),
    rsa('PS512', 'sha512', true),
    ec('ES256', 'sha256', 'prime256v1'),
    ec('ES384', 'sha384', 'secp384r1'),
    ec('ES512', 'sha512', 'secp521r1'),
  ].map((algorithm) => [algorithm.name, algorithm]),
);

/** RFC 7518 §3.4: both numbers side by side, each of the curve's size and no other. */
const DSA_ENCODING = 'ieee-p1363';

/** The algorithm of that name; undefined for anything not on the list. */
export function jwtAlgorithm(name: unknown): JwtAlgorithm | undefined {
  return ALGORITHMS.get(name);
}

/** What a key signs with: RS256, or the ES algorithm of its curve. Throws `invalid-argument`. */
export function signingAlgorithmOf(key: KeyObject): JwtAlgorithm {
  for (const algorithm of ALGORITHMS.values()) if (fits(key, algorithm)) return algorithm;
  throw invalid('key: no JWT-SVID algorithm fits it');
}

export function signJwt(signingInput: string, key: KeyObject): Uint8Array {
  return sign(signingAlgorithmOf(key).digest, Buffer.from(signingInput, 'latin1'), {
    key,
    dsaEncoding: DSA_ENCODING,
  });
}

/** Whether `key` is of the algorithm's type and made this signature. */
export function isJwtSignature(
  signingInput: string,
  signature: Uint8Array,
  { key, algorithm }: { readonly key: KeyObject; readonly algorithm: JwtAlgorithm },
): boolean {
  if (!fits(key, algorithm)) return false;
  const data = Buffer.from(signingInput, 'latin1');
  if (algorithm.keyType === 'ec') {
    return verify(algorithm.digest, data, { key, dsaEncoding: DSA_ENCODING }, signature);
  }
  const padding = algorithm.pss ? constants.RSA_PKCS1_PSS_PADDING : constants.RSA_PKCS1_PADDING;
  const saltLength = constants.RSA_PSS_SALTLEN_DIGEST;
  const options = algorithm.pss ? { key, padding, saltLength } : { key, padding };
  return verify(algorithm.digest, data, options, signature);
}

function fits(key: KeyObject, algorithm: JwtAlgorithm): boolean {
  if (key.asymmetricKeyType !== algorithm.keyType) return false;
  return algorithm.keyType === 'rsa' || key.asymmetricKeyDetails?.namedCurve === algorithm.curve;
}

function rsa(name: string, digest: string, pss: boolean): JwtAlgorithm {
  return { name, keyType: 'rsa', digest, pss };
}

function ec(name: string, digest: string, curve: string): JwtAlgorithm {
  return { name, keyType: 'ec', digest, curve };
}
