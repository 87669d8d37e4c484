// TLS for gRPC channels whose peer is known by a SPIFFE ID: the chain is verified against the given
// authorities only, and the caller judges the peer's certificate from its DER.

import type { PeerCertificate } from 'node:tls';
import { type ChannelCredentials, credentials } from '@grpc/grpc-js';

export type TlsPeer = {
  /** PEM of the only authorities that count. */
  readonly authorities: Buffer;
  /** Throws when the certificate is not the expected peer's. Given DER, never a parsed string. */
  readonly verify: (certificate: Uint8Array) => void;
};

export function tlsCredentials(peer: TlsPeer): ChannelCredentials {
  return credentials.createSsl(peer.authorities, null, null, {
    rejectUnauthorized: true,
    checkServerIdentity: (_host: string, certificate: PeerCertificate) => {
      try {
        peer.verify(certificate.raw);
        return undefined;
      } catch (thrown) {
        return thrown instanceof Error ? thrown : new Error(String(thrown));
      }
    },
  });
}
