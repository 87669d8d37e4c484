// The extensions of a certificate that path validation and X.509-SVIDs are about (RFC 5280 §4.2.1).
// One that is repeated is refused, and so is a critical one that is not understood here.

import { invalid } from '../../base/errors.ts';
import type { DerReader } from '../der/der-reader.ts';
import { contextTag, TAG } from '../der/der-tag.ts';
import { type AlternativeNames, NO_NAMES, readAlternativeNames } from './alternative-names.ts';
import { EXTENSION } from './oid.ts';

/** Bits of KeyUsage in its first octet (RFC 5280 §4.2.1.3). */
export const KEY_USAGE = {
  DIGITAL_SIGNATURE: 0x80,
  KEY_ENCIPHERMENT: 0x20,
  KEY_CERT_SIGN: 0x04,
  CRL_SIGN: 0x02,
} as const;

export type BasicConstraints = { readonly ca: boolean; readonly pathLength: number | undefined };

export type Extensions = {
  /** Each extension that is present, by hex object identifier, and whether it is critical. */
  readonly critical: ReadonlyMap<string, boolean>;
  readonly basicConstraints: BasicConstraints | undefined;
  /** Bits of KEY_USAGE. */
  readonly keyUsage: number | undefined;
  /** Hex object identifiers, see PURPOSE. */
  readonly extendedKeyUsage: readonly string[] | undefined;
  readonly subjectKeyIdentifier: Uint8Array | undefined;
  readonly authorityKeyIdentifier: Uint8Array | undefined;
  readonly alternativeNames: AlternativeNames;
};

type Draft = { -readonly [field in keyof Extensions]: Extensions[field] };

/** Reads the content of `extensions [3]`. Throws `invalid-argument` naming the extension. */
export function readExtensions(tagged: DerReader): Extensions {
  const critical = new Map<string, boolean>();
  const draft: Draft = {
    critical,
    basicConstraints: undefined,
    keyUsage: undefined,
    extendedKeyUsage: undefined,
    subjectKeyIdentifier: undefined,
    authorityKeyIdentifier: undefined,
    alternativeNames: NO_NAMES,
  };
  const list = tagged.enter(TAG.SEQUENCE, 'extensions');
  tagged.end();
  while (!list.atEnd) {
    const extension = list.enter(TAG.SEQUENCE, 'extension');
    const id = extension.objectIdentifier();
    if (critical.has(id)) throw invalid(`extension ${id}: present twice`);
    // DER leaves a default out (X.690 §11.5). Some CAs write it; it says the same.
    const isCritical = extension.isNext(TAG.BOOLEAN) && extension.boolean();
    critical.set(id, isCritical);
    const value = extension.enter(TAG.OCTET_STRING, 'extension');
    extension.end();
    const known = readKnown(id, value, draft);
    if (known) value.end();
    // RFC 5280 §4.2: what must be understood and is not makes the certificate unusable.
    else if (isCritical) throw invalid(`extension ${id}: critical and not understood`);
  }
  return draft;
}

function readKnown(id: string, value: DerReader, draft: Draft): boolean {
  switch (id) {
    case EXTENSION.BASIC_CONSTRAINTS:
      draft.basicConstraints = readBasicConstraints(value);
      return true;
    case EXTENSION.KEY_USAGE:
      draft.keyUsage = value.namedBits();
      return true;
    case EXTENSION.EXTENDED_KEY_USAGE:
      draft.extendedKeyUsage = readPurposes(value);
      return true;
    case EXTENSION.SUBJECT_KEY_IDENTIFIER:
      draft.subjectKeyIdentifier = value.content(TAG.OCTET_STRING);
      return true;
    case EXTENSION.AUTHORITY_KEY_IDENTIFIER:
      draft.authorityKeyIdentifier = readAuthorityKeyIdentifier(value);
      return true;
    case EXTENSION.SUBJECT_ALTERNATIVE_NAME:
      draft.alternativeNames = readAlternativeNames(value);
      return true;
    default:
      return false;
  }
}

function readBasicConstraints(value: DerReader): BasicConstraints {
  const fields = value.enter(TAG.SEQUENCE, 'basicConstraints');
  const ca = fields.isNext(TAG.BOOLEAN) && fields.boolean();
  const pathLength = fields.isNext(TAG.INTEGER) ? fields.smallInteger() : undefined;
  fields.end();
  if (pathLength !== undefined && !ca) throw invalid('basicConstraints: a path length without cA');
  return { ca, pathLength };
}

function readPurposes(value: DerReader): readonly string[] {
  const list = value.enter(TAG.SEQUENCE, 'extendedKeyUsage');
  const purposes: string[] = [];
  while (!list.atEnd) purposes.push(list.objectIdentifier());
  if (purposes.length === 0) throw invalid('extendedKeyUsage: empty');
  return purposes;
}

function readAuthorityKeyIdentifier(value: DerReader): Uint8Array | undefined {
  const fields = value.enter(TAG.SEQUENCE, 'authorityKeyIdentifier');
  const id = fields.isNext(contextTag(0)) ? fields.content(contextTag(0)) : undefined;
  // The issuer's name and serial number may follow; chains are built by names and signatures.
  while (!fields.atEnd) fields.any();
  return id;
}
