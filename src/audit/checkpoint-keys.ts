// The keys that checkpoints are signed with, as certificates in the log name them: good when a serving
// authority of the trust domain certified them for one of our own processes.

import { createPublicKey, type KeyObject } from 'node:crypto';
import { CodedError } from '../base/errors.ts';
import { type Certificate, readCertificate } from '../spiffe/certificate/certificate.ts';
import { isSignedBy } from '../spiffe/certificate/signature-algorithm.ts';
import { keyId } from './checkpoint.ts';

type Known = {
  readonly publicKey: KeyObject;
  /** Which process of ours it is of: `issuer` or `controller`. */
  readonly role: string;
  readonly notBefore: number;
  readonly notAfter: number;
};

const MAX_BASE64 = 12_000;

export class CheckpointKeys {
  readonly #authorities: readonly KeyObject[] | undefined;
  readonly #known = new Map<string, Known>();

  /** DER; undefined: whoever is named in the log is believed. */
  constructor(authorities: readonly Uint8Array[] | undefined) {
    this.#authorities = authorities?.map((der) => keyOf(readCertificate(der)));
  }

  /** Takes up a certificate that a log names; why not, when it is not good. */
  add(certificate: unknown, trustDomain: unknown): string | undefined {
    if (typeof certificate !== 'string' || certificate.length > MAX_BASE64) return 'no certificate';
    try {
      const read = readCertificate(Buffer.from(certificate, 'base64'));
      const { notBefore, notAfter } = read;
      const publicKey = keyOf(read);
      const problem = this.#judge(read, String(trustDomain));
      const role = read.extensions.alternativeNames.uris[0]?.split('/signet/')[1] ?? '';
      if (problem === undefined)
        this.#known.set(keyId(publicKey), { publicKey, role, notBefore, notAfter });
      return problem;
    } catch (thrown) {
      return CodedError.from(thrown).message;
    }
  }

  find(key: string): KeyObject | undefined {
    return this.#known.get(key)?.publicKey;
  }

  /** Whether it may sign lines of issuance: that is for issuers, whatever else is certified. */
  isOfIssuer(key: string): boolean {
    return this.#known.get(key)?.role === 'issuer';
  }

  /** Why the key could not have signed at that time. */
  lateness(key: string, at: number): string | undefined {
    const known = this.#known.get(key);
    if (known === undefined || (at >= known.notBefore && at <= known.notAfter)) return undefined;
    return `the certificate of key ${key} was not valid then`;
  }

  #judge(certificate: Certificate, trustDomain: string): string | undefined {
    const uris = certificate.extensions.alternativeNames.uris;
    const start = `spiffe://${trustDomain}/signet/`;
    if (uris.length !== 1 || uris[0]?.startsWith(start) !== true) {
      return 'the certificate is not of a process of ours';
    }
    if (this.#authorities === undefined) return undefined;
    const isTrusted = this.#authorities.some((key) => isSignedBy(key, certificate));
    return isTrusted ? undefined : 'no serving authority that was given signed the certificate';
  }
}

function keyOf({ subjectPublicKeyInfo }: Certificate): KeyObject {
  const key = Buffer.from(subjectPublicKeyInfo);
  return createPublicKey({ key, format: 'der', type: 'spki' });
}
