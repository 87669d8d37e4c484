// Issues X.509-SVIDs by one authority: check the request, fit it into the template, read the result
// back and compare, sign. Nothing that was not asked for, and nothing outside the trust domain, is
// ever signed. Synchronous, and no key object is made on the way.

import { type KeyObject, sign } from 'node:crypto';
import { invalid } from '../../base/errors.ts';
import {
  checkKeyOfCertificate,
  readAuthorityCertificate,
} from '../authority/authority-certificate.ts';
import { MAX_CERTIFICATE_BYTES } from '../certificate/certificate.ts';
import { SerialNumbers } from '../certificate/serial-numbers.ts';
import {
  type SignatureAlgorithm,
  signatureAlgorithmOf,
} from '../certificate/signature-algorithm.ts';
import { wholeSeconds } from '../der/der-time.ts';
import { bitString, encodeDer, sequence } from '../der/der-writer.ts';
import { parseWorkloadSpiffeId, type SpiffeId, type TrustDomain } from '../spiffe-id.ts';
import { checkDnsNames, MAX_DNS_NAMES } from './dns-name.ts';
import { type IssuingProfile, type SvidFields, SvidTemplate } from './svid-template.ts';
import { checkTbsIsAsAsked } from './tbs-check.ts';
import { parseWorkloadPublicKey } from './workload-public-key.ts';

/** RFC 5280 appendix A.1, for both attributes of a subject. */
export const MAX_COMMON_NAME_BYTES = 64;
export const MAX_ORGANIZATION_BYTES = 64;

export type X509SvidIssuerOptions = {
  readonly trustDomain: TrustDomain;
  /** The authority that signs. */
  readonly certificateDer: Uint8Array;
  readonly privateKey: KeyObject;
  /** The authorities above it, DER: none of them may end before a leaf does. */
  readonly above?: readonly Uint8Array[];
  /** O of every subject; without it the subject is empty unless a common name is asked for. */
  readonly organization?: string;
};

export type X509SvidRequest = {
  /** Uncompressed P-256 point, or SubjectPublicKeyInfo of another allowed type. */
  readonly publicKey: Uint8Array;
  readonly spiffeId: SpiffeId;
  readonly dnsNames?: readonly string[];
  readonly commonName?: string;
  /** Milliseconds since the epoch; parts of a second are cut off. */
  readonly notBefore: number;
  readonly notAfter: number;
};

export type IssuedX509Svid = {
  readonly certificateDer: Uint8Array;
  readonly serialNumber: Uint8Array;
  /** As in the certificate: whole seconds, in milliseconds since the epoch. */
  readonly notBefore: number;
  readonly notAfter: number;
};

export class X509SvidIssuer {
  /** No leaf may be valid longer: the earliest notAfter of this authority and those above it. */
  readonly notAfter: number;
  readonly #trustDomain: TrustDomain;
  readonly #privateKey: KeyObject;
  readonly #algorithm: SignatureAlgorithm;
  readonly #profile: IssuingProfile;
  readonly #template: SvidTemplate;
  readonly #serialNumbers = new SerialNumbers();

  /** Throws `invalid-argument` when the certificate is no authority, or the key not its own. */
  constructor(options: X509SvidIssuerOptions) {
    const { trustDomain, privateKey, certificateDer, above = [], organization = '' } = options;
    const authority = readAuthorityCertificate(certificateDer, trustDomain);
    checkKeyOfCertificate(privateKey, authority);
    if (organization.length > MAX_ORGANIZATION_BYTES) {
      throw invalid(`organization: more than ${MAX_ORGANIZATION_BYTES} characters`);
    }
    this.notAfter = Math.min(
      authority.notAfter,
      ...above.map((der) => readAuthorityCertificate(der, trustDomain).notAfter),
    );
    this.#trustDomain = trustDomain;
    this.#privateKey = privateKey;
    this.#algorithm = signatureAlgorithmOf(privateKey);
    this.#profile = {
      issuer: Uint8Array.from(authority.subject),
      authorityKeyIdentifier: Uint8Array.from(authority.subjectKeyIdentifier),
      signatureAlgorithm: this.#algorithm.identifier,
      organization,
    };
    this.#template = new SvidTemplate(this.#profile);
  }

  /** Throws `invalid-argument` naming the field of the request and the rule. */
  issue(request: X509SvidRequest): IssuedX509Svid {
    const fields = this.#fieldsOf(request);
    const tbs = this.#template.tbsCertificate(fields);
    checkTbsIsAsAsked(tbs, fields, this.#profile);
    const signature = sign(this.#algorithm.digest, tbs, this.#privateKey);
    const { identifier } = this.#algorithm;
    const certificateDer = encodeDer(sequence(tbs, identifier, bitString(signature)));
    if (certificateDer.length > MAX_CERTIFICATE_BYTES) {
      throw invalid(`certificate: ${certificateDer.length} bytes exceed ${MAX_CERTIFICATE_BYTES}`);
    }
    const { serialNumber, notBefore, notAfter } = fields;
    return { certificateDer, serialNumber, notBefore, notAfter };
  }

  #fieldsOf(request: X509SvidRequest): SvidFields {
    const { dnsNames = [], commonName = '' } = request;
    if (dnsNames.length > MAX_DNS_NAMES) {
      throw invalid(`DNS names: ${dnsNames.length} exceed ${MAX_DNS_NAMES}`);
    }
    if (dnsNames.length > 0) checkDnsNames(dnsNames);
    if (commonName.length > MAX_COMMON_NAME_BYTES) {
      throw invalid(`common name: ${commonName.length} characters exceed ${MAX_COMMON_NAME_BYTES}`);
    }
    const notBefore = wholeSeconds(request.notBefore);
    const notAfter = wholeSeconds(request.notAfter);
    if (!(notBefore < notAfter)) throw invalid('notAfter: not after notBefore');
    // A leaf that outlives an authority above it would end earlier than it says.
    if (notAfter > this.notAfter) throw invalid('notAfter: later than that of an authority above');
    return {
      serialNumber: this.#serialNumbers.next(),
      publicKey: parseWorkloadPublicKey(request.publicKey),
      spiffeId: parseWorkloadSpiffeId(request.spiffeId, this.#trustDomain),
      dnsNames,
      commonName,
      notBefore,
      notAfter,
    };
  }
}
