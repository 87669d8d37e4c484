// A workload's key pair: made on the node, held in memory only, its private half never sent to the
// issuer.

import { generateKeyPair, generateKeyPairSync } from 'node:crypto';
import { promisify } from 'node:util';
import { Slots } from '../../base/slots.ts';

/** What a node may be told to make; RSA for peers that know nothing else. */
export const NODE_KEY_TYPES = ['ec-p256', 'ec-p384', 'rsa-2048'] as const;
export type NodeKeyType = (typeof NODE_KEY_TYPES)[number];

export type WorkloadKey = {
  /** PKCS#8 DER, as the Workload API hands it out (§5.1). */
  readonly pkcs8: Uint8Array;
  /** Uncompressed P-256 point, or SubjectPublicKeyInfo of another type. */
  readonly publicKey: Uint8Array;
};

export const P256_POINT_BYTES = 65;

const publicKeyEncoding = { format: 'der', type: 'spki' } as const;
const privateKeyEncoding = { format: 'der', type: 'pkcs8' } as const;
const generate = promisify(generateKeyPair);
/** A fraction of a second each on a thread that files and names are looked up on as well. */
const slowKeys = new Slots({ atOnce: 2, waiting: 4096, what: 'RSA keys' });

export async function generateWorkloadKey(type: NodeKeyType): Promise<WorkloadKey> {
  switch (type) {
    case 'ec-p256': {
      // Some forty microseconds: going to another thread would cost more.
      const pair = generateKeyPairSync('ec', {
        namedCurve: 'prime256v1',
        publicKeyEncoding,
        privateKeyEncoding,
      });
      return exact(pair.privateKey, pair.publicKey.subarray(-P256_POINT_BYTES));
    }
    case 'ec-p384': {
      const pair = await generate('ec', {
        namedCurve: 'secp384r1',
        publicKeyEncoding,
        privateKeyEncoding,
      });
      return exact(pair.privateKey, pair.publicKey);
    }
    case 'rsa-2048': {
      const options = { modulusLength: 2048, publicKeyEncoding, privateKeyEncoding };
      const pair = await slowKeys.run(async () => await generate('rsa', options));
      return exact(pair.privateKey, pair.publicKey);
    }
  }
}

// Exact-size copies: both live as long as the SVID, and a pooled slab must not live with them.
function exact(pkcs8: Uint8Array, publicKey: Uint8Array): WorkloadKey {
  return { pkcs8: new Uint8Array(pkcs8), publicKey: new Uint8Array(publicKey) };
}
