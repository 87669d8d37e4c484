// A workload's key pair: made on the node, held in memory only, its private half never sent to the
// issuer.

import { generateKeyPairSync } from 'node:crypto';

export type WorkloadKey = {
  /** PKCS#8 DER, as the Workload API hands it out (§5.1). */
  readonly pkcs8: Uint8Array;
  /** Uncompressed P-256 point, 65 bytes. */
  readonly point: Uint8Array;
};

const POINT_BYTES = 65;

export function generateWorkloadKey(): WorkloadKey {
  const pair = generateKeyPairSync('ec', {
    namedCurve: 'prime256v1',
    privateKeyEncoding: { format: 'der', type: 'pkcs8' },
    publicKeyEncoding: { format: 'der', type: 'spki' },
  });
  // Exact-size copies: both live as long as the SVID, and a pooled slab must not live with them.
  return {
    pkcs8: new Uint8Array(pair.privateKey),
    point: new Uint8Array(pair.publicKey.subarray(-POINT_BYTES)),
  };
}
