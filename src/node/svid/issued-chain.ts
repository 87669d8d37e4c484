// What the issuer signed, read back by the strict reader before anybody is served: it names the ID
// that was asked for and the key that was made here, and every certificate above is an authority.

import { CodedError } from '../../base/errors.ts';
import { checkIsAuthority } from '../../spiffe/authority/authority-certificate.ts';
import { readCertificate } from '../../spiffe/certificate/certificate.ts';
import { parseWorkloadPublicKey } from '../../spiffe/x509-svid/workload-public-key.ts';
import { MAX_CHAIN_LENGTH, readX509Svid } from '../../spiffe/x509-svid/x509-svid.ts';

export type IssuedChain = {
  readonly serial: Uint8Array;
  /** DER certificates, leaf first, concatenated: what the Workload API hands out. */
  readonly chain: Uint8Array;
  /** As in the leaf: milliseconds since the epoch. */
  readonly notBefore: number;
  readonly notAfter: number;
  /** Name of the root above all of them, as DER in hex. */
  readonly rootName: string;
};

export type Asked = { readonly spiffeId: string; readonly publicKey: Uint8Array };

/** Throws `internal` when the chain is not what was asked for. */
export function readIssued(chain: readonly Uint8Array[], asked: Asked): IssuedChain {
  try {
    return readChain(chain, asked);
  } catch (thrown) {
    const { message } = CodedError.from(thrown);
    throw new CodedError('internal', `the issuer's chain: ${message}`, { cause: thrown });
  }
}

function readChain(chain: readonly Uint8Array[], asked: Asked): IssuedChain {
  const [leaf, ...above] = chain;
  if (leaf === undefined) throw new Error('empty');
  if (chain.length > MAX_CHAIN_LENGTH) throw new Error(`over ${MAX_CHAIN_LENGTH} certificates`);
  const { spiffeId, certificate } = readX509Svid(leaf);
  if (spiffeId !== asked.spiffeId) throw new Error(`names ${spiffeId}, not ${asked.spiffeId}`);
  const { spki } = parseWorkloadPublicKey(asked.publicKey);
  if (Buffer.compare(certificate.subjectPublicKeyInfo, spki) !== 0) {
    throw new Error('made for another key');
  }
  // One certificate that a client refuses makes it throw away its whole answer.
  const authorities = above.map((der) => readCertificate(der));
  for (const authority of authorities) checkIsAuthority(authority);
  const top = authorities.at(-1) ?? certificate;
  return {
    serial: Uint8Array.from(certificate.serialNumber),
    chain: concatenate(chain),
    notBefore: certificate.notBefore,
    notAfter: certificate.notAfter,
    rootName: Buffer.from(top.issuer).toString('hex'),
  };
}

// Of exact size: it lives as long as the SVID, and a pooled slab must not live with it.
function concatenate(chain: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(chain.reduce((bytes, der) => bytes + der.length, 0));
  let at = 0;
  for (const der of chain) {
    whole.set(der, at);
    at += der.length;
  }
  return whole;
}
