// Subject key identifiers: RFC 7093 §2 method 1, the first 160 bits of the SHA-256 of the key.

import { hash } from 'node:crypto';
import { DerReader } from '../der/der-reader.ts';
import { TAG } from '../der/der-tag.ts';

const OCTETS = 20;

/** `key` is the content of the SubjectPublicKeyInfo's BIT STRING. */
export function keyIdentifier(key: Uint8Array): Uint8Array {
  return hash('sha256', key, 'buffer').subarray(0, OCTETS);
}

/** The content of a SubjectPublicKeyInfo's BIT STRING. */
export function publicKeyBits(spki: Uint8Array): Uint8Array {
  const fields = new DerReader(spki, 'public key').enter(TAG.SEQUENCE, 'public key');
  fields.element(TAG.SEQUENCE);
  return fields.bitString();
}
