// How certificates may be signed: a closed list, so that neither a weak digest nor a key of another
// type is ever tried. Identifiers are compared as DER.

import { type KeyObject, verify } from 'node:crypto';
import { invalid } from '../../base/errors.ts';
import { TAG } from '../der/der-tag.ts';
import { encodeDer, objectIdentifier, primitive, sequence } from '../der/der-writer.ts';
import { SIGNATURE } from './oid.ts';

export type SignatureAlgorithm = {
  /** AlgorithmIdentifier. */
  readonly identifier: Buffer;
  readonly digest: 'sha256' | 'sha384' | 'sha512';
  readonly keyType: 'ec' | 'rsa';
};

const ECDSA_SHA256 = ecdsa(SIGNATURE.ECDSA_SHA256, 'sha256');
const ECDSA_SHA384 = ecdsa(SIGNATURE.ECDSA_SHA384, 'sha384');
const RSA_SHA256 = rsa(SIGNATURE.RSA_SHA256, 'sha256');
const ALGORITHMS: readonly SignatureAlgorithm[] = [
  ECDSA_SHA256,
  ECDSA_SHA384,
  ecdsa(SIGNATURE.ECDSA_SHA512, 'sha512'),
  RSA_SHA256,
  rsa(SIGNATURE.RSA_SHA384, 'sha384'),
  rsa(SIGNATURE.RSA_SHA512, 'sha512'),
];
const CURVES: ReadonlySet<unknown> = new Set(['prime256v1', 'secp384r1', 'secp521r1']);
const MIN_RSA_BITS = 2048;
/** Larger ones only cost whoever verifies. */
const MAX_RSA_BITS = 8192;

/** The algorithm an authority's key signs with. Throws `invalid-argument` for keys of no use. */
export function signatureAlgorithmOf(key: KeyObject): SignatureAlgorithm {
  switch (checkAuthorityKey(key)) {
    case 'rsa':
      return RSA_SHA256;
    case 'ec':
      return key.asymmetricKeyDetails?.namedCurve === 'prime256v1' ? ECDSA_SHA256 : ECDSA_SHA384;
  }
}

/** Whether `publicKey` made this signature by an algorithm of the list. Never throws. */
export function isSignedBy(
  publicKey: KeyObject,
  signed: {
    readonly tbs: Uint8Array;
    readonly signatureAlgorithm: Uint8Array;
    readonly signature: Uint8Array;
  },
): boolean {
  const algorithm = ALGORITHMS.find(({ identifier }) =>
    identifier.equals(signed.signatureAlgorithm),
  );
  if (algorithm === undefined || algorithm.keyType !== publicKey.asymmetricKeyType) return false;
  try {
    return verify(algorithm.digest, signed.tbs, publicKey, signed.signature);
  } catch {
    // OpenSSL throws for some keys that a stranger can put into a chain.
    return false;
  }
}

/** Throws `invalid-argument` unless authorities may have such a key, public or private. */
export function checkAuthorityKey(key: KeyObject): 'ec' | 'rsa' {
  const { namedCurve, modulusLength = 0 } = key.asymmetricKeyDetails ?? {};
  if (key.asymmetricKeyType === 'ec' && CURVES.has(namedCurve)) return 'ec';
  if (key.asymmetricKeyType === 'rsa' && modulusLength >= MIN_RSA_BITS) {
    if (modulusLength <= MAX_RSA_BITS) return 'rsa';
  }
  throw invalid('authority key: neither on P-256, P-384, P-521 nor RSA of 2048 to 8192 bits');
}

function ecdsa(id: string, digest: SignatureAlgorithm['digest']): SignatureAlgorithm {
  // RFC 5758 §3.2: no parameters.
  const identifier = Buffer.from(encodeDer(sequence(objectIdentifier(id))));
  return { identifier, digest, keyType: 'ec' };
}

function rsa(id: string, digest: SignatureAlgorithm['digest']): SignatureAlgorithm {
  // RFC 4055 §5: parameters are NULL.
  const parameters = primitive(TAG.NULL, new Uint8Array(0));
  const identifier = Buffer.from(encodeDer(sequence(objectIdentifier(id), parameters)));
  return { identifier, digest, keyType: 'rsa' };
}
