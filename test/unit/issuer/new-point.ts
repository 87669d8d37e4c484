// A new P-256 public key as its uncompressed point, as a node plugin sends it.

import { generateKeyPairSync } from 'node:crypto';

export function newPoint(): Uint8Array {
  const { publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  return publicKey.export({ type: 'spki', format: 'der' }).subarray(-65);
}
