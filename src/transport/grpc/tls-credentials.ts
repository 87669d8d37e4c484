// TLS for gRPC channels whose peer is known by a SPIFFE ID: the chain is verified against the given
// authorities only, and the caller judges the peer's certificate from its DER.

import type { PeerCertificate } from 'node:tls';
import { type ChannelCredentials, experimental } from '@grpc/grpc-js';

/** PEM of authorities that may be replaced while a channel is there. */
export type TlsAuthorities = {
  /** Undefined while there are none: then nobody is connected to. */
  readonly pem: Buffer | undefined;
  /** Tells of each replacement; returns how to stop that. */
  onChange(listener: () => void): () => void;
};

export type TlsPeer = {
  /** The only authorities that count; a new connection is judged by those of its moment. */
  readonly authorities: TlsAuthorities;
  /** Throws when the certificate is not the expected peer's. Given DER, never a parsed string. */
  readonly verify: (certificate: Uint8Array) => void;
};

export function tlsCredentials(peer: TlsPeer): ChannelCredentials {
  return experimental.createCertificateProviderChannelCredentials(
    new AuthorityProvider(peer.authorities),
    null,
    {
      rejectUnauthorized: true,
      checkServerIdentity: (_host: string, certificate: PeerCertificate) => {
        try {
          peer.verify(certificate.raw);
          return undefined;
        } catch (thrown) {
          return thrown instanceof Error ? thrown : new Error(String(thrown));
        }
      },
    },
  );
}

/** Authorities that stay. */
export function fixedAuthorities(pem: Buffer): TlsAuthorities {
  return { pem, onChange: () => () => {} };
}

type Listener = experimental.CaCertificateUpdateListener;

class AuthorityProvider implements experimental.CertificateProvider {
  readonly #authorities: TlsAuthorities;
  readonly #stops = new Map<Listener, () => void>();

  constructor(authorities: TlsAuthorities) {
    this.#authorities = authorities;
  }

  addCaCertificateListener(listener: Listener): void {
    const tell = () => {
      const { pem } = this.#authorities;
      listener(pem === undefined ? null : { caCertificate: pem });
    };
    this.#stops.set(listener, this.#authorities.onChange(tell));
    tell();
  }

  removeCaCertificateListener(listener: Listener): void {
    this.#stops.get(listener)?.();
    this.#stops.delete(listener);
  }

  /** The caller shows a token, never a certificate. */
  addIdentityCertificateListener(): void {}

  removeIdentityCertificateListener(): void {}
}
