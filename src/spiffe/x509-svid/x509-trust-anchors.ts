// The X.509 authorities of one trust domain's bundle, ready to verify with: read once, found by
// name, each key imported at its first use.

import type { KeyObject } from 'node:crypto';
import { authorityPublicKey, checkIsAuthority } from '../authority/authority-certificate.ts';
import { type Certificate, readCertificate } from '../certificate/certificate.ts';

export type TrustAnchor = { readonly certificate: Certificate; publicKey(): KeyObject };

export class X509TrustAnchors {
  readonly #bySubject = new Map<string, TrustAnchor[]>();

  /** Throws `invalid-argument` when one of `authorities` (DER) may not sign certificates. */
  constructor(authorities: readonly Uint8Array[]) {
    for (const der of authorities) {
      const certificate = readCertificate(der);
      checkIsAuthority(certificate);
      const key = nameKey(certificate.subject);
      this.#bySubject.set(key, [...(this.#bySubject.get(key) ?? []), anchor(certificate)]);
    }
  }

  /** The authorities whose name is the certificate's issuer; RFC 5280 §7.1 by bytes. */
  issuersOf(certificate: Certificate): readonly TrustAnchor[] {
    return this.#bySubject.get(nameKey(certificate.issuer)) ?? [];
  }
}

function anchor(certificate: Certificate): TrustAnchor {
  let key: KeyObject | undefined;
  return {
    certificate,
    publicKey: () => {
      key ??= authorityPublicKey(certificate);
      return key;
    },
  };
}

function nameKey(name: Uint8Array): string {
  return Buffer.from(name).toString('latin1');
}
