// Certificates in which any part can be wrong: a valid base, one part of it replaced.

import { generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import { distinguishedName } from '../../../../src/spiffe/certificate/distinguished-name.ts';
import { EXTENSION } from '../../../../src/spiffe/certificate/oid.ts';
import { constructedContextTag, contextTag, TAG } from '../../../../src/spiffe/der/der-tag.ts';
import { encodeTime } from '../../../../src/spiffe/der/der-time.ts';
import {
  asciiText,
  bitString,
  type Der,
  element,
  encodeDer,
  objectIdentifier,
  primitive,
  sequence,
} from '../../../../src/spiffe/der/der-writer.ts';

export const NOW = Date.UTC(2026, 0, 15);
const DAY = 86_400_000;

export type Party = {
  readonly name: string;
  readonly publicKey: KeyObject;
  readonly privateKey: KeyObject;
};

/** A name with a P-256 key, or with the key given. */
export function party(name: string, keys = newKeys()): Party {
  return { name, ...keys };
}

export function newKeys(curve = 'P-256'): { publicKey: KeyObject; privateKey: KeyObject } {
  return generateKeyPairSync('ec', { namedCurve: curve });
}

/** The content of the SubjectPublicKeyInfo's BIT STRING of a P-256 key. */
export function pointOf(key: KeyObject): Uint8Array {
  return new Uint8Array(key.export({ type: 'spki', format: 'der' }).subarray(26));
}

/** Parts of a certificate in place of the right ones. */
export type Shape = {
  readonly version?: Der;
  readonly serialNumber?: Der;
  readonly signedAlgorithm?: Der;
  readonly algorithm?: Der;
  readonly notBefore?: number;
  readonly notAfter?: number;
  readonly validityTail?: Der;
  readonly extensions?: readonly Der[];
  /** After the extensions, inside what is signed. */
  readonly tbsTail?: Der;
  /** After the signature, inside the certificate. */
  readonly tail?: Der;
  readonly signWith?: KeyObject;
};

const EMPTY = new Uint8Array(0);
export const ECDSA_SHA256 = sequence(objectIdentifier('2a8648ce3d040302'));

/** DER of a certificate of `subject`, signed by `issuer`. */
export function forge(subject: Party, issuer: Party, shape: Shape = {}): Uint8Array {
  const tbs = encodeDer(
    sequence(
      shape.version ?? element(constructedContextTag(0), integer(2)),
      shape.serialNumber ?? integer(7),
      shape.signedAlgorithm ?? ECDSA_SHA256,
      nameOf(issuer),
      sequence(
        encodeTime(shape.notBefore ?? NOW - DAY),
        encodeTime(shape.notAfter ?? NOW + DAY),
        shape.validityTail ?? EMPTY,
      ),
      nameOf(subject),
      subject.publicKey.export({ type: 'spki', format: 'der' }),
      element(constructedContextTag(3), sequence(...(shape.extensions ?? []))),
      shape.tbsTail ?? EMPTY,
    ),
  );
  const signature = sign('sha256', tbs, shape.signWith ?? issuer.privateKey);
  return encodeDer(
    sequence(tbs, shape.algorithm ?? ECDSA_SHA256, bitString(signature), shape.tail ?? EMPTY),
  );
}

function nameOf({ name }: Party): Der {
  return distinguishedName(name === '' ? [] : [['550403', name]]);
}

export function integer(...octets: number[]): Der {
  return primitive(TAG.INTEGER, Uint8Array.from(octets));
}

export function extension(id: string, critical: boolean, value: Der): Der {
  const octets = element(TAG.OCTET_STRING, value);
  const flag = primitive(TAG.BOOLEAN, Uint8Array.of(0xff));
  return critical
    ? sequence(objectIdentifier(id), flag, octets)
    : sequence(objectIdentifier(id), octets);
}

export function keyUsage(bits: number): Der {
  const unused = 31 - Math.clz32(bits & -bits);
  const value = primitive(TAG.BIT_STRING, Uint8Array.of(unused, bits));
  return extension(EXTENSION.KEY_USAGE, true, value);
}

export function basicConstraints(ca: boolean, pathLength?: number): Der {
  const flag = ca ? [primitive(TAG.BOOLEAN, Uint8Array.of(0xff))] : [];
  const length = pathLength === undefined ? [] : [integer(pathLength)];
  return extension(EXTENSION.BASIC_CONSTRAINTS, true, sequence(...flag, ...length));
}

export function subjectAltName(...names: readonly Der[]): Der {
  return extension(EXTENSION.SUBJECT_ALTERNATIVE_NAME, false, sequence(...names));
}

export const uri = (text: string): Der => asciiText(contextTag(6), text, 'uri');
export const dns = (text: string): Der => asciiText(contextTag(2), text, 'dns');

/** The extensions of a correct leaf. */
export function leafExtensions(spiffeId = 'spiffe://example.org/a'): readonly Der[] {
  return [basicConstraints(false), keyUsage(0x80), subjectAltName(uri(spiffeId))];
}

/** The extensions of a correct authority. */
export function authorityExtensions(pathLength?: number): readonly Der[] {
  return [
    basicConstraints(true, pathLength),
    keyUsage(0x06),
    extension(
      EXTENSION.SUBJECT_KEY_IDENTIFIER,
      false,
      primitive(TAG.OCTET_STRING, new Uint8Array(20)),
    ),
    subjectAltName(uri('spiffe://example.org')),
  ];
}
