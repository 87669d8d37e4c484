// Revocation lists of a test authority.

import { X509Certificate } from 'node:crypto';
import { CRL_REASON } from '../../src/spiffe/crl/crl.ts';
import { signCrl } from '../../src/spiffe/crl/crl-signing.ts';
import type { TestCa, TestSvid } from './test-ca.ts';

const HOUR_MS = 3_600_000;
let lists = 0n;

/** DER of the authority's next list, with the leaves of these on it. */
export function crlOf(ca: TestCa, revoked: readonly TestSvid[]): Uint8Array {
  lists += 1n;
  const now = Date.now();
  return signCrl(
    { certificateDer: ca.certificate, privateKey: ca.keys.privateKey },
    {
      number: lists,
      thisUpdate: now - 1000,
      nextUpdate: now + HOUR_MS,
      revoked: revoked.map(({ chain }) => ({
        serialNumber: Buffer.from(serialOf(chain), 'hex'),
        revokedAt: now,
        reason: CRL_REASON.CESSATION_OF_OPERATION,
      })),
    },
  );
}

/** Of the leaf, in hex. */
export function serialOf([leaf = new Uint8Array()]: TestSvid['chain']): string {
  return new X509Certificate(leaf).serialNumber.toLowerCase();
}
