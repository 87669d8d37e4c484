// A certificate as plain values, read from its DER and nothing else: never from a display string
// of another parser. Whatever is malformed, repeated, left over, or critical and unknown is refused.

import { invalid } from '../../base/errors.ts';
import { DerReader } from '../der/der-reader.ts';
import { constructedContextTag, TAG } from '../der/der-tag.ts';
import { readTime } from '../der/der-time.ts';
import { type Extensions, readExtensions } from './certificate-extensions.ts';

/** No certificate larger than this is read or made. */
export const MAX_CERTIFICATE_BYTES = 8192;

/** The signed part (RFC 5280 §4.1.2). Names, keys and algorithms are whole DER elements. */
export type TbsCertificate = {
  /** Big-endian, without a sign octet. */
  readonly serialNumber: Uint8Array;
  readonly signatureAlgorithm: Uint8Array;
  readonly issuer: Uint8Array;
  /** Milliseconds since the epoch, both inclusive. */
  readonly notBefore: number;
  readonly notAfter: number;
  readonly subject: Uint8Array;
  readonly subjectPublicKeyInfo: Uint8Array;
  readonly extensions: Extensions;
};

export type Certificate = TbsCertificate & {
  readonly der: Uint8Array;
  readonly tbs: Uint8Array;
  readonly signature: Uint8Array;
};

/** Reads one certificate. The result points into `der`. Throws `invalid-argument`. */
export function readCertificate(der: Uint8Array): Certificate {
  if (der.length > MAX_CERTIFICATE_BYTES) {
    throw invalid(`certificate: ${der.length} bytes exceed ${MAX_CERTIFICATE_BYTES}`);
  }
  const outer = new DerReader(der, 'certificate');
  const reader = outer.enter(TAG.SEQUENCE, 'certificate');
  outer.end();
  const tbs = reader.element(TAG.SEQUENCE);
  const algorithm = reader.element(TAG.SEQUENCE);
  const signature = reader.bitString();
  reader.end();
  const fields = readTbsCertificate(tbs);
  // RFC 5280 §4.1.1.2: the algorithm outside the signature must be the one inside.
  if (!algorithm.equals(fields.signatureAlgorithm)) {
    throw invalid('certificate: signature algorithm differs from the signed one');
  }
  return { ...fields, der, tbs, signature };
}

/** Splits certificates that stand one after the other, as the Workload API carries chains (§5.1). */
export function splitCertificates(concatenated: Uint8Array): readonly Uint8Array[] {
  const reader = new DerReader(concatenated, 'certificates');
  const certificates: Uint8Array[] = [];
  while (!reader.atEnd) certificates.push(reader.element(TAG.SEQUENCE));
  return certificates;
}

/** Reads the part of a certificate that is, or is about to be, signed. */
export function readTbsCertificate(tbs: Uint8Array): TbsCertificate {
  const outer = new DerReader(tbs, 'certificate');
  const reader = outer.enter(TAG.SEQUENCE, 'certificate');
  outer.end();
  const version = reader.enter(constructedContextTag(0), 'certificate version');
  if (version.smallInteger() !== V3) throw invalid('certificate version: must be 3');
  version.end();
  const serialNumber = reader.unsignedInteger();
  if (serialNumber.length > 20) throw invalid('certificate: serial number exceeds 20 octets');
  const signatureAlgorithm = reader.element(TAG.SEQUENCE);
  const issuer = reader.element(TAG.SEQUENCE);
  const validity = reader.enter(TAG.SEQUENCE, 'certificate validity');
  const notBefore = readTime(validity, 'certificate notBefore');
  const notAfter = readTime(validity, 'certificate notAfter');
  validity.end();
  const subject = reader.element(TAG.SEQUENCE);
  const subjectPublicKeyInfo = reader.element(TAG.SEQUENCE);
  const extensions = readExtensions(reader.enter(constructedContextTag(3), 'certificate'));
  // Unique identifiers, [1] and [2], would stand before the extensions: RFC 5280 §4.1.2.8 forbids
  // them to conforming CAs, and here they are an unexpected tag.
  reader.end();
  return {
    serialNumber,
    signatureAlgorithm,
    issuer,
    notBefore,
    notAfter,
    subject,
    subjectPublicKeyInfo,
    extensions,
  };
}

const V3 = 2;
