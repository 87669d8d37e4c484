// The last look before a signature: the strict reader reads what is about to be signed, and every
// fact in it must be the one that was asked for. It shares nothing with the encoder, so a mistake
// there ends here and not in a certificate.

import { CodedError } from '../../base/errors.ts';
import { readTbsCertificate, type TbsCertificate } from '../certificate/certificate.ts';
import { KEY_USAGE } from '../certificate/certificate-extensions.ts';
import { readDistinguishedName } from '../certificate/distinguished-name.ts';
import { keyIdentifier } from '../certificate/key-identifier.ts';
import { ATTRIBUTE, EXTENSION, PURPOSE } from '../certificate/oid.ts';
import type { IssuingProfile, SvidFields } from './svid-template.ts';

/** Throws `internal` naming the first field of `tbs` that is not as asked. */
export function checkTbsIsAsAsked(
  tbs: Uint8Array,
  asked: SvidFields,
  profile: IssuingProfile,
): void {
  const read = readTbsCertificate(tbs);
  checkFields(read, asked, profile);
  checkNames(read, asked, profile);
  checkExtensions(read, asked, profile);
}

function checkFields(read: TbsCertificate, asked: SvidFields, profile: IssuingProfile): void {
  must('serial number', isSame(read.serialNumber, asked.serialNumber));
  must('signature algorithm', isSame(read.signatureAlgorithm, profile.signatureAlgorithm));
  must('issuer', isSame(read.issuer, profile.issuer));
  must('notBefore', read.notBefore === asked.notBefore);
  must('notAfter', read.notAfter === asked.notAfter);
  must('public key', isSame(read.subjectPublicKeyInfo, asked.publicKey.spki));
}

function checkNames(read: TbsCertificate, asked: SvidFields, profile: IssuingProfile): void {
  const { uris, dnsNames, others } = read.extensions.alternativeNames;
  must('SPIFFE ID', uris.length === 1 && uris[0] === asked.spiffeId);
  must('other names', others === 0);
  must('DNS names', isSameList(dnsNames, asked.dnsNames));
  const subject = readDistinguishedName(read.subject).flat();
  const expected: string[] = [];
  if (profile.organization !== '') expected.push(ATTRIBUTE.ORGANIZATION, profile.organization);
  if (asked.commonName !== '') expected.push(ATTRIBUTE.COMMON_NAME, asked.commonName);
  must('subject', isSameList(subject, expected));
  const namesCritical = read.extensions.critical.get(EXTENSION.SUBJECT_ALTERNATIVE_NAME);
  must('criticality of names', namesCritical === (subject.length === 0));
}

function checkExtensions(read: TbsCertificate, asked: SvidFields, profile: IssuingProfile): void {
  const { critical, basicConstraints, ...found } = read.extensions;
  must('cA', basicConstraints?.ca === false);
  must('criticality of cA', critical.get(EXTENSION.BASIC_CONSTRAINTS) === true);
  const keyUsage =
    asked.publicKey.type === 'rsa'
      ? KEY_USAGE.DIGITAL_SIGNATURE | KEY_USAGE.KEY_ENCIPHERMENT
      : KEY_USAGE.DIGITAL_SIGNATURE;
  must('key usage', found.keyUsage === keyUsage);
  must('criticality of key usage', critical.get(EXTENSION.KEY_USAGE) === true);
  must('extended key usage', isSameList(found.extendedKeyUsage ?? [], BOTH_SIDES_OF_TLS));
  must(
    'subject key identifier',
    isSame(found.subjectKeyIdentifier, keyIdentifier(asked.publicKey.key)),
  );
  must(
    'authority key identifier',
    isSame(found.authorityKeyIdentifier, profile.authorityKeyIdentifier),
  );
  must('number of extensions', critical.size === EXTENSIONS);
}

const BOTH_SIDES_OF_TLS: readonly string[] = [PURPOSE.SERVER_AUTH, PURPOSE.CLIENT_AUTH];
const EXTENSIONS = 6;

function must(field: string, holds: boolean): void {
  if (!holds) throw new CodedError('internal', `certificate to sign: ${field} is not as asked`);
}

function isSame(a: Uint8Array | undefined, b: Uint8Array): boolean {
  return a !== undefined && Buffer.compare(a, b) === 0;
}

function isSameList(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((item, index) => item === b[index]);
}
