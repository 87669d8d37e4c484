// Makes revocation lists by one authority: full lists, never deltas. As with certificates, the strict
// reader reads what is about to be signed, and every fact in it must be the one that was asked for.

import { type KeyObject, sign } from 'node:crypto';
import { CodedError, invalid } from '../../base/errors.ts';
import { checkKeyOfCertificate } from '../authority/authority-certificate.ts';
import { readCertificate } from '../certificate/certificate.ts';
import { KEY_USAGE } from '../certificate/certificate-extensions.ts';
import { CRL_EXTENSION, EXTENSION } from '../certificate/oid.ts';
import { signatureAlgorithmOf } from '../certificate/signature-algorithm.ts';
import { constructedContextTag, contextTag, TAG } from '../der/der-tag.ts';
import { encodeTime, wholeSeconds } from '../der/der-time.ts';
import {
  bitString,
  type Der,
  type DerElement,
  element,
  encodeDer,
  objectIdentifier,
  primitive,
  sequence,
} from '../der/der-writer.ts';
import { MAX_CRL_BYTES, type RevokedSerial, readTbsCrl, type TbsCrl } from './crl.ts';

export type CrlSigner = { readonly certificateDer: Uint8Array; readonly privateKey: KeyObject };

export type CrlContent = {
  /** Rises with every list of the authority. */
  readonly number: bigint;
  /** Milliseconds since the epoch; parts of a second are cut off. */
  readonly thisUpdate: number;
  readonly nextUpdate: number;
  readonly revoked: readonly RevokedSerial[];
};

/** DER of a signed list. Throws `invalid-argument` naming what is wrong with signer or content. */
export function signCrl(signer: CrlSigner, content: CrlContent): Uint8Array {
  const authority = readCertificate(signer.certificateDer);
  checkKeyOfCertificate(signer.privateKey, authority);
  const { keyUsage = 0, subjectKeyIdentifier } = authority.extensions;
  if ((keyUsage & KEY_USAGE.CRL_SIGN) === 0) throw invalid('authority: key usage lacks cRLSign');
  if (subjectKeyIdentifier === undefined) throw invalid('authority: no subject key identifier');
  const { identifier, digest } = signatureAlgorithmOf(signer.privateKey);
  const asked: TbsCrl = {
    number: content.number,
    thisUpdate: wholeSeconds(content.thisUpdate),
    nextUpdate: wholeSeconds(content.nextUpdate),
    revoked: content.revoked.map((entry) => ({
      ...entry,
      serialNumber: unsigned(entry.serialNumber),
      revokedAt: wholeSeconds(entry.revokedAt),
    })),
    issuer: authority.subject,
    signatureAlgorithm: identifier,
    authorityKeyIdentifier: subjectKeyIdentifier,
  };
  const tbs = encodeDer(tbsCrl(asked));
  checkIsAsAsked(readTbsCrl(tbs), asked);
  const signature = sign(digest, tbs, signer.privateKey);
  const der = encodeDer(sequence(tbs, identifier, bitString(signature)));
  if (der.length > MAX_CRL_BYTES) throw invalid(`CRL: ${der.length} bytes exceed ${MAX_CRL_BYTES}`);
  return der;
}

function tbsCrl(asked: TbsCrl): DerElement {
  const entries = asked.revoked.map(entryOf);
  return sequence(
    VERSION_2,
    asked.signatureAlgorithm,
    asked.issuer,
    encodeTime(asked.thisUpdate),
    encodeTime(asked.nextUpdate),
    ...(entries.length === 0 ? [] : [sequence(...entries)]),
    element(
      constructedContextTag(0),
      sequence(
        extension(
          EXTENSION.AUTHORITY_KEY_IDENTIFIER,
          sequence(primitive(contextTag(0), asked.authorityKeyIdentifier)),
        ),
        extension(CRL_EXTENSION.CRL_NUMBER, positiveInteger(numberOctets(asked.number))),
      ),
    ),
  );
}

const VERSION_2 = encodeDer(primitive(TAG.INTEGER, Uint8Array.of(1)));

function entryOf({ serialNumber, revokedAt, reason }: RevokedSerial): DerElement {
  const code =
    reason === undefined
      ? []
      : [
          sequence(
            extension(CRL_EXTENSION.REASON_CODE, primitive(TAG.ENUMERATED, Uint8Array.of(reason))),
          ),
        ];
  return sequence(positiveInteger(serialNumber), encodeTime(revokedAt), ...code);
}

function extension(id: string, value: Der): DerElement {
  return sequence(objectIdentifier(id), element(TAG.OCTET_STRING, value));
}

function positiveInteger(octets: Uint8Array): DerElement {
  const needsSign = (octets[0] ?? 0) >= 0x80;
  return primitive(TAG.INTEGER, needsSign ? Buffer.concat([ZERO, octets]) : octets);
}

const ZERO = Uint8Array.of(0);

/** Without leading zeros; RFC 5280 §4.1.2.2: positive, at most 20 octets. */
function unsigned(octets: Uint8Array): Uint8Array {
  const from = octets.findIndex((octet) => octet !== 0);
  if (from === -1) throw invalid('CRL: a serial number that is not positive');
  return octets.subarray(from);
}

function numberOctets(number: bigint): Uint8Array {
  if (number < 0n) throw invalid('CRL: a negative number');
  const hex = number.toString(16);
  return Buffer.from(hex.length % 2 === 0 ? hex : `0${hex}`, 'hex');
}

function checkIsAsAsked(read: TbsCrl, asked: TbsCrl): void {
  must('number', read.number === asked.number);
  must('issuer', isSame(read.issuer, asked.issuer));
  must('signature algorithm', isSame(read.signatureAlgorithm, asked.signatureAlgorithm));
  must('key identifier', isSame(read.authorityKeyIdentifier, asked.authorityKeyIdentifier));
  must('thisUpdate', read.thisUpdate === asked.thisUpdate);
  must('nextUpdate', read.nextUpdate === asked.nextUpdate);
  must('entries', read.revoked.length === asked.revoked.length);
  for (const [index, entry] of read.revoked.entries()) {
    const wanted = asked.revoked[index];
    const isAsAsked =
      wanted !== undefined &&
      isSame(entry.serialNumber, wanted.serialNumber) &&
      entry.revokedAt === wanted.revokedAt &&
      entry.reason === wanted.reason;
    must(`entry ${index}`, isAsAsked);
  }
}

function must(field: string, holds: boolean): void {
  if (!holds) throw new CodedError('internal', `CRL to sign: ${field} is not as asked`);
}

function isSame(a: Uint8Array, b: Uint8Array): boolean {
  return Buffer.compare(a, b) === 0;
}
