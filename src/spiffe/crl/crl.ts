// Certificate revocation lists (RFC 5280 §5), read from their DER and nothing else. Version 2 with a
// number and an end; whatever is malformed, repeated, left over, or critical and unknown is refused.

import { type CodedError, invalid } from '../../base/errors.ts';
import { authorityPublicKey } from '../authority/authority-certificate.ts';
import type { Certificate } from '../certificate/certificate.ts';
import { KEY_USAGE } from '../certificate/certificate-extensions.ts';
import { CRL_EXTENSION, EXTENSION } from '../certificate/oid.ts';
import { isSignedBy } from '../certificate/signature-algorithm.ts';
import { DerReader } from '../der/der-reader.ts';
import { constructedContextTag, contextTag, TAG } from '../der/der-tag.ts';
import { readTime } from '../der/der-time.ts';

/** No list larger than this is read or made: some 20,000 entries. */
export const MAX_CRL_BYTES = 1024 * 1024;

/** Why a certificate is revoked (RFC 5280 §5.3.1); `undefined` where a list does not say. */
export const CRL_REASON = {
  KEY_COMPROMISE: 1,
  SUPERSEDED: 4,
  /** Revoked for good. */
  CESSATION_OF_OPERATION: 5,
  /** Revoked for now; the only reason that a later list may take back. */
  CERTIFICATE_HOLD: 6,
} as const;

export type RevokedSerial = {
  /** Big-endian, without a sign octet, at most 20 octets. */
  readonly serialNumber: Uint8Array;
  /** Milliseconds since the epoch, whole seconds. */
  readonly revokedAt: number;
  readonly reason: number | undefined;
};

/** The signed part. Names and algorithms are whole DER elements. */
export type TbsCrl = {
  readonly signatureAlgorithm: Uint8Array;
  readonly issuer: Uint8Array;
  /** Milliseconds since the epoch. */
  readonly thisUpdate: number;
  readonly nextUpdate: number;
  readonly revoked: readonly RevokedSerial[];
  readonly number: bigint;
  readonly authorityKeyIdentifier: Uint8Array;
};

export type Crl = TbsCrl & {
  readonly der: Uint8Array;
  readonly tbs: Uint8Array;
  readonly signature: Uint8Array;
};

/** Reads one list. The result points into `der`. Throws `invalid-argument`. */
export function readCrl(der: Uint8Array): Crl {
  if (der.length > MAX_CRL_BYTES) throw bad(`${der.length} bytes exceed ${MAX_CRL_BYTES}`);
  const outer = new DerReader(der, 'CRL');
  const reader = outer.enter(TAG.SEQUENCE, 'CRL');
  outer.end();
  const tbs = reader.element(TAG.SEQUENCE);
  const algorithm = reader.element(TAG.SEQUENCE);
  const signature = reader.bitString();
  reader.end();
  const fields = readTbsCrl(tbs);
  // RFC 5280 §5.1.1.2: the algorithm outside the signature must be the one inside.
  if (!algorithm.equals(fields.signatureAlgorithm)) {
    throw bad('signature algorithm differs from the signed one');
  }
  return { ...fields, der, tbs, signature };
}

/** Reads the part of a list that is, or is about to be, signed. */
export function readTbsCrl(tbs: Uint8Array): TbsCrl {
  const outer = new DerReader(tbs, 'CRL');
  const reader = outer.enter(TAG.SEQUENCE, 'CRL');
  outer.end();
  if (reader.smallInteger() !== V2) throw bad('version must be 2');
  const signatureAlgorithm = reader.element(TAG.SEQUENCE);
  const issuer = reader.element(TAG.SEQUENCE);
  const thisUpdate = readTime(reader, 'CRL thisUpdate');
  // RFC 5280 §5.1.2.5: optional in the syntax, required of a conforming issuer.
  const nextUpdate = readTime(reader, 'CRL nextUpdate');
  if (!(thisUpdate < nextUpdate)) throw bad('nextUpdate is not after thisUpdate');
  const revoked = reader.isNext(TAG.SEQUENCE) ? readRevoked(reader) : [];
  const extensions = reader.enter(constructedContextTag(0), 'CRL extensions');
  reader.end();
  const { number, authorityKeyIdentifier } = readCrlExtensions(extensions);
  return {
    signatureAlgorithm,
    issuer,
    thisUpdate,
    nextUpdate,
    revoked,
    number,
    authorityKeyIdentifier,
  };
}

/** Throws `invalid-argument` unless the list is `authority`'s own, and it may sign lists. */
export function checkCrlOf(crl: Crl, authority: Certificate): void {
  const { keyUsage = KEY_USAGE.CRL_SIGN, subjectKeyIdentifier } = authority.extensions;
  if ((keyUsage & KEY_USAGE.CRL_SIGN) === 0) throw bad('its issuer may not sign lists');
  const isNamed =
    Buffer.compare(crl.issuer, authority.subject) === 0 &&
    subjectKeyIdentifier !== undefined &&
    Buffer.compare(crl.authorityKeyIdentifier, subjectKeyIdentifier) === 0;
  if (!isNamed) throw bad('of another authority');
  if (!isSignedBy(authorityPublicKey(authority), crl)) throw bad('signature is not valid');
}

/** Whether the list has an entry for the serial number, given without a sign octet. */
export function isRevoked(crl: TbsCrl, serialNumber: Uint8Array): boolean {
  return crl.revoked.some((entry) => Buffer.compare(entry.serialNumber, serialNumber) === 0);
}

/**
 * A serial number, lower-case hex, as a list has it: whole octets without leading zeros. Undefined where
 * no certificate can have it (RFC 5280 §4.1.2.2: positive, at most 20 octets).
 */
export function normalSerial(hex: string): string | undefined {
  const digits = hex.replace(/^(?:00)+/, '');
  const isOne = digits.length > 0 && digits.length <= 2 * MAX_SERIAL_OCTETS;
  return isOne ? digits : undefined;
}

const V2 = 1;
const MAX_SERIAL_OCTETS = 20;

function readRevoked(reader: DerReader): readonly RevokedSerial[] {
  const list = reader.enter(TAG.SEQUENCE, 'CRL entries');
  // RFC 5280 §5.1.2.6: a list without entries leaves the field out.
  if (list.atEnd) throw bad('an empty list of entries');
  const revoked: RevokedSerial[] = [];
  const seen = new Set<string>();
  while (!list.atEnd) {
    const entry = list.enter(TAG.SEQUENCE, 'CRL entry');
    const serialNumber = entry.unsignedInteger();
    if (serialNumber.length > MAX_SERIAL_OCTETS) throw bad('a serial number exceeds 20 octets');
    const hex = serialNumber.toString('hex');
    if (seen.has(hex)) throw bad(`serial number ${hex} is there twice`);
    seen.add(hex);
    const revokedAt = readTime(entry, 'CRL entry date');
    const reason = entry.atEnd ? undefined : readReason(entry);
    entry.end();
    revoked.push({ serialNumber, revokedAt, reason });
  }
  return revoked;
}

function readReason(entry: DerReader): number | undefined {
  let reason: number | undefined;
  eachExtension(entry, (id, value) => {
    if (id !== CRL_EXTENSION.REASON_CODE) return false;
    const [code, ...more] = value.content(TAG.ENUMERATED);
    if (code === undefined || more.length > 0 || !REASONS.has(code)) throw bad('a reason unknown');
    reason = code;
    return true;
  });
  return reason;
}

/** RFC 5280 §5.3.1, without removeFromCRL, which belongs into delta lists, and 7, which is unused. */
const REASONS: ReadonlySet<number> = new Set([0, 1, 2, 3, 4, 5, 6, 9, 10]);

function readCrlExtensions(tagged: DerReader): {
  readonly number: bigint;
  readonly authorityKeyIdentifier: Uint8Array;
} {
  let number: bigint | undefined;
  let authorityKeyIdentifier: Uint8Array | undefined;
  eachExtension(tagged, (id, value) => {
    if (id === CRL_EXTENSION.CRL_NUMBER) {
      const octets = value.unsignedInteger();
      if (octets.length > MAX_SERIAL_OCTETS) throw bad('its number exceeds 20 octets');
      number = BigInt(`0x${octets.toString('hex')}`);
      return true;
    }
    if (id !== EXTENSION.AUTHORITY_KEY_IDENTIFIER) return false;
    const fields = value.enter(TAG.SEQUENCE, 'authorityKeyIdentifier');
    authorityKeyIdentifier = fields.content(contextTag(0));
    while (!fields.atEnd) fields.any();
    return true;
  });
  tagged.end();
  if (number === undefined) throw bad('without a number');
  if (authorityKeyIdentifier === undefined) throw bad('without an authority key identifier');
  return { number, authorityKeyIdentifier };
}

/** `read` says whether it knows the extension; one that is critical and unknown is refused. */
function eachExtension(reader: DerReader, read: (id: string, value: DerReader) => boolean): void {
  const list = reader.enter(TAG.SEQUENCE, 'CRL extensions');
  const seen = new Set<string>();
  while (!list.atEnd) {
    const extension = list.enter(TAG.SEQUENCE, 'CRL extension');
    const id = extension.objectIdentifier();
    if (seen.has(id)) throw bad(`extension ${id} is there twice`);
    seen.add(id);
    const isCritical = extension.isNext(TAG.BOOLEAN) && extension.boolean();
    const value = extension.enter(TAG.OCTET_STRING, 'CRL extension');
    extension.end();
    if (read(id, value)) value.end();
    // Such as a delta list, or one for some reasons only: not the whole truth.
    else if (isCritical) throw bad(`extension ${id}: critical and not understood`);
  }
  if (seen.size === 0) throw bad('an empty list of extensions');
}

function bad(rule: string): CodedError {
  return invalid(`CRL: ${rule}`);
}
