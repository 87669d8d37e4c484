// The bytes of an X.509-SVID before they are signed. What is the same in every certificate of an
// authority is encoded once; the rest is fitted in, and every length is derived from it.

import { DNS_NAME, URI } from '../certificate/alternative-names.ts';
import { KEY_USAGE } from '../certificate/certificate-extensions.ts';
import { distinguishedName, type NameAttribute } from '../certificate/distinguished-name.ts';
import { keyIdentifier } from '../certificate/key-identifier.ts';
import { ATTRIBUTE, EXTENSION, PURPOSE } from '../certificate/oid.ts';
import { constructedContextTag, contextTag, TAG } from '../der/der-tag.ts';
import { encodeTime } from '../der/der-time.ts';
import {
  asciiText,
  type Der,
  type DerElement,
  element,
  encodeDer,
  objectIdentifier,
  primitive,
  sequence,
} from '../der/der-writer.ts';
import type { SpiffeId } from '../spiffe-id.ts';
import type { WorkloadPublicKey } from './workload-public-key.ts';

/** What all certificates of an authority have in common. */
export type IssuingProfile = {
  /** The authority's name: a whole DER element. */
  readonly issuer: Uint8Array;
  readonly authorityKeyIdentifier: Uint8Array;
  /** AlgorithmIdentifier of its signatures. */
  readonly signatureAlgorithm: Uint8Array;
  /** O of the subject; '' for none. */
  readonly organization: string;
};

/** What one certificate says. Times are whole seconds, in milliseconds since the epoch. */
export type SvidFields = {
  readonly serialNumber: Uint8Array;
  readonly publicKey: WorkloadPublicKey;
  readonly spiffeId: SpiffeId;
  readonly dnsNames: readonly string[];
  /** CN of the subject; '' for none. */
  readonly commonName: string;
  readonly notBefore: number;
  readonly notAfter: number;
};

type Validity = { readonly notBefore: number; readonly notAfter: number; readonly der: Uint8Array };

export class SvidTemplate {
  /** Version 3, and the algorithm with the issuer's name: before and after the serial number. */
  readonly #beforeSerial = encodeDer(
    element(constructedContextTag(0), primitive(TAG.INTEGER, Uint8Array.of(2))),
  );
  readonly #afterSerial: Uint8Array;
  readonly #organization: readonly NameAttribute[];
  readonly #subject: Uint8Array;
  readonly #extensions: { readonly ec: Uint8Array; readonly rsa: Uint8Array };
  #validity: Validity = { notBefore: Number.NaN, notAfter: Number.NaN, der: new Uint8Array(0) };

  constructor(profile: IssuingProfile) {
    this.#afterSerial = Buffer.concat([profile.signatureAlgorithm, profile.issuer]);
    this.#organization =
      profile.organization === '' ? [] : [[ATTRIBUTE.ORGANIZATION, profile.organization]];
    this.#subject = encodeDer(distinguishedName(this.#organization));
    this.#extensions = {
      ec: commonExtensions(profile, KEY_USAGE.DIGITAL_SIGNATURE),
      // RSA key transport still exists in TLS 1.2.
      rsa: commonExtensions(profile, KEY_USAGE.DIGITAL_SIGNATURE | KEY_USAGE.KEY_ENCIPHERMENT),
    };
  }

  /** A TBSCertificate. Throws `invalid-argument` for text that is not printable ASCII. */
  tbsCertificate(fields: SvidFields): Uint8Array {
    const { publicKey, commonName } = fields;
    const hasSubject = this.#organization.length > 0 || commonName !== '';
    return encodeDer(
      sequence(
        this.#beforeSerial,
        primitive(TAG.INTEGER, fields.serialNumber),
        this.#afterSerial,
        this.#encodeValidity(fields.notBefore, fields.notAfter),
        commonName === '' ? this.#subject : this.#subjectWith(commonName),
        publicKey.spki,
        element(
          constructedContextTag(3),
          sequence(
            this.#extensions[publicKey.type],
            subjectKeyIdentifier(publicKey.key),
            subjectAlternativeName(fields, !hasSubject),
          ),
        ),
      ),
    );
  }

  #subjectWith(commonName: string): DerElement {
    return distinguishedName([...this.#organization, [ATTRIBUTE.COMMON_NAME, commonName]]);
  }

  // Certificates of one batch mostly share their validity, to the second.
  #encodeValidity(notBefore: number, notAfter: number): Uint8Array {
    const last = this.#validity;
    if (last.notBefore === notBefore && last.notAfter === notAfter) return last.der;
    const der = encodeDer(sequence(encodeTime(notBefore), encodeTime(notAfter)));
    this.#validity = { notBefore, notAfter, der };
    return der;
  }
}

const CRITICAL = primitive(TAG.BOOLEAN, Uint8Array.of(0xff));
const SUBJECT_KEY_IDENTIFIER = encodeDer(objectIdentifier(EXTENSION.SUBJECT_KEY_IDENTIFIER));
const SUBJECT_ALTERNATIVE_NAME = encodeDer(objectIdentifier(EXTENSION.SUBJECT_ALTERNATIVE_NAME));

function commonExtensions(profile: IssuingProfile, keyUsage: number): Uint8Array {
  const unusedBits = 31 - Math.clz32(keyUsage & -keyUsage);
  const extensions = [
    // X509-SVID §4.1: not a CA.
    extension(EXTENSION.BASIC_CONSTRAINTS, true, sequence()),
    // X509-SVID §4.3: present, critical, and nothing that signs certificates.
    extension(
      EXTENSION.KEY_USAGE,
      true,
      primitive(TAG.BIT_STRING, Uint8Array.of(unusedBits, keyUsage)),
    ),
    // X509-SVID §4.4: both sides of TLS.
    extension(
      EXTENSION.EXTENDED_KEY_USAGE,
      false,
      sequence(objectIdentifier(PURPOSE.SERVER_AUTH), objectIdentifier(PURPOSE.CLIENT_AUTH)),
    ),
    extension(
      EXTENSION.AUTHORITY_KEY_IDENTIFIER,
      false,
      sequence(primitive(contextTag(0), profile.authorityKeyIdentifier)),
    ),
  ];
  return Buffer.concat(extensions.map(encodeDer));
}

function subjectKeyIdentifier(key: Uint8Array): DerElement {
  const value = primitive(TAG.OCTET_STRING, keyIdentifier(key));
  return sequence(SUBJECT_KEY_IDENTIFIER, element(TAG.OCTET_STRING, value));
}

// X509-SVID §2: exactly one URI. §3.1: critical when the subject is empty.
function subjectAlternativeName(fields: SvidFields, critical: boolean): DerElement {
  const names = sequence(
    asciiText(URI, fields.spiffeId, 'SPIFFE ID'),
    ...fields.dnsNames.map((name) => asciiText(DNS_NAME, name, 'DNS name')),
  );
  const value = element(TAG.OCTET_STRING, names);
  return critical
    ? sequence(SUBJECT_ALTERNATIVE_NAME, CRITICAL, value)
    : sequence(SUBJECT_ALTERNATIVE_NAME, value);
}

function extension(id: string, critical: boolean, value: Der): DerElement {
  const octets = element(TAG.OCTET_STRING, value);
  return critical
    ? sequence(objectIdentifier(id), CRITICAL, octets)
    : sequence(objectIdentifier(id), octets);
}
