// The public keys an X.509-SVID may be made for. Each is matched octet by octet against the one form
// its type has, so that nothing reaches a certificate that was not looked at; no key object is made.

import { invalid } from '../../base/errors.ts';
import { KEY } from '../certificate/oid.ts';
import { TAG } from '../der/der-tag.ts';
import {
  bitString,
  type DerElement,
  encodeDer,
  objectIdentifier,
  primitive,
  sequence,
} from '../der/der-writer.ts';
import { isOnCurve, P256, P384, type PrimeCurve } from './prime-curve.ts';

export const WORKLOAD_KEY_TYPES = [
  'ec-p256',
  'ec-p384',
  'rsa-2048',
  'rsa-3072',
  'rsa-4096',
] as const;
export type WorkloadKeyType = (typeof WORKLOAD_KEY_TYPES)[number];

export type WorkloadPublicKey = {
  /** SubjectPublicKeyInfo. */
  readonly spki: Uint8Array;
  /** Content of its BIT STRING: what key identifiers are digests of. */
  readonly key: Uint8Array;
  readonly type: 'ec' | 'rsa';
};

/** A SubjectPublicKeyInfo without the octets that differ from key to key. */
type KeyForm = {
  readonly keyType: WorkloadKeyType;
  readonly prefix: Buffer;
  readonly suffix: Buffer;
  /** Octets between prefix and suffix: a point, or a modulus. */
  readonly variable: number;
  /** Where the BIT STRING's content starts. */
  readonly keyAt: number;
  /** Absent for RSA. */
  readonly curve?: PrimeCurve;
};

const RSA_EXPONENT = primitive(TAG.INTEGER, Uint8Array.of(1, 0, 1));
const RSA_EXPONENT_BYTES = encodeDer(RSA_EXPONENT).length;

const P256_FORM = ecForm('ec-p256', KEY.P256, P256);
const SPKI_FORMS: readonly KeyForm[] = [
  ecForm('ec-p384', KEY.P384, P384),
  rsaForm('rsa-2048', 2048),
  rsaForm('rsa-3072', 3072),
  rsaForm('rsa-4096', 4096),
];

/**
 * A P-256 key as its uncompressed point of 65 octets, or the SubjectPublicKeyInfo of a P-384 key or
 * of an RSA key of 2048, 3072 or 4096 bits with exponent 65537. Throws `invalid-argument`.
 */
export function parseWorkloadPublicKey(bytes: Uint8Array): WorkloadPublicKey {
  if (bytes.length === P256_FORM.variable) {
    if (!isOnCurve(bytes, P256)) throw invalid('public key: not an uncompressed point of P-256');
    return { spki: Buffer.concat([P256_FORM.prefix, bytes]), key: bytes, type: 'ec' };
  }
  const form = SPKI_FORMS.find((candidate) => hasForm(bytes, candidate));
  if (form === undefined) {
    throw invalid('public key: not a P-256 point, nor the SPKI of P-384, RSA 2048, 3072 or 4096');
  }
  const variable = bytes.subarray(form.prefix.length, form.prefix.length + form.variable);
  if (form.curve === undefined ? !isModulus(variable) : !isOnCurve(variable, form.curve)) {
    throw invalid('public key: not a point of its curve, or not a modulus of its size');
  }
  const type = form.curve === undefined ? 'rsa' : 'ec';
  return { spki: bytes, key: bytes.subarray(form.keyAt), type };
}

/** The type that the octets have the form of; undefined when they have none. */
export function workloadKeyTypeOf(bytes: Uint8Array): WorkloadKeyType | undefined {
  if (bytes.length === P256_FORM.variable) return P256_FORM.keyType;
  return SPKI_FORMS.find((candidate) => hasForm(bytes, candidate))?.keyType;
}

function hasForm(bytes: Uint8Array, { prefix, suffix, variable }: KeyForm): boolean {
  return (
    bytes.length === prefix.length + variable + suffix.length &&
    prefix.equals(bytes.subarray(0, prefix.length)) &&
    suffix.equals(bytes.subarray(prefix.length + variable))
  );
}

// The modulus fills its octets, so that 2048 bits are 2048 bits, and is odd as a product of two odd
// primes is. More cannot be seen from outside.
function isModulus(octets: Uint8Array): boolean {
  return (octets[0] ?? 0) >= 0x80 && ((octets.at(-1) ?? 0) & 1) === 1;
}

/** RFC 5480 §2: the curve is named, the point uncompressed. */
function ecForm(keyType: WorkloadKeyType, curveId: string, curve: PrimeCurve): KeyForm {
  const variable = 1 + 2 * curve.octets;
  const algorithm = sequence(objectIdentifier(KEY.EC), objectIdentifier(curveId));
  const spki = Buffer.from(encodeDer(sequence(algorithm, bitString(new Uint8Array(variable)))));
  const prefix = spki.subarray(0, -variable);
  const suffix = spki.subarray(spki.length);
  return { keyType, prefix, suffix, variable, keyAt: prefix.length, curve };
}

/** RFC 3279 §2.3.1: parameters NULL; the modulus has a sign octet before it. */
function rsaForm(keyType: WorkloadKeyType, bits: number): KeyForm {
  const variable = bits / 8;
  const modulus = primitive(TAG.INTEGER, new Uint8Array(1 + variable));
  const key = encodeDer(sequence(modulus, RSA_EXPONENT));
  const spki = Buffer.from(encodeDer(sequence(rsaAlgorithm(), bitString(key))));
  const variableAt = spki.length - RSA_EXPONENT_BYTES - variable;
  return {
    keyType,
    prefix: spki.subarray(0, variableAt),
    suffix: spki.subarray(variableAt + variable),
    variable,
    keyAt: spki.length - key.length,
  };
}

function rsaAlgorithm(): DerElement {
  return sequence(objectIdentifier(KEY.RSA), primitive(TAG.NULL, new Uint8Array(0)));
}
