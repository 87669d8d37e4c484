// An authority that a user brings, as PEM: it must be able to sign our intermediates, and its key
// must be its own.

import { createPrivateKey, type KeyObject } from 'node:crypto';
import { invalid } from '../../base/errors.ts';
import type { Certificate } from '../certificate/certificate.ts';
import { parsePemCertificates } from '../pem.ts';
import type { TrustDomain } from '../spiffe-id.ts';
import {
  checkKeyOfCertificate,
  isIssuedBy,
  readAuthorityCertificate,
} from './authority-certificate.ts';

export type UserAuthority = {
  readonly certificateDer: Uint8Array;
  readonly privateKey: KeyObject;
  /** The authorities above it, DER, nearest first. */
  readonly above: readonly Uint8Array[];
};

export type UserAuthorityPem = {
  /** The authority first, then those above it. */
  readonly certificates: string;
  readonly privateKey: string;
};

/** Throws `invalid-argument` naming the rule; never with anything of the key in the message. */
export function readUserAuthority(pem: UserAuthorityPem, trustDomain: TrustDomain): UserAuthority {
  const [certificateDer, ...above] = parsePemCertificates(pem.certificates);
  if (certificateDer === undefined) throw invalid('PEM: no certificate');
  const authority = readAuthorityCertificate(certificateDer, trustDomain);
  if (authority.extensions.basicConstraints?.pathLength === 0) {
    throw invalid('authority: path length 0 leaves no room for an intermediate');
  }
  const privateKey = readPrivateKey(pem.privateKey);
  checkKeyOfCertificate(privateKey, authority);
  let below: Certificate = authority;
  for (const der of above) {
    const next = readAuthorityCertificate(der, trustDomain);
    if (!isIssuedBy(below, next)) {
      throw invalid('PEM: an authority is not signed by the one after it');
    }
    below = next;
  }
  return { certificateDer, privateKey, above };
}

// OpenSSL's message says nothing useful, and nothing of a key may get into one.
function readPrivateKey(pem: string): KeyObject {
  try {
    return createPrivateKey(pem);
  } catch {
    throw invalid('authority: private key is not unencrypted PEM');
  }
}
