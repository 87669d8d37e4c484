// PEM (RFC 7468), for what people keep in files and Secrets. On the wire everything is DER.

import { invalid } from '../base/errors.ts';

const CERTIFICATE = /-----BEGIN CERTIFICATE-----([A-Za-z0-9+/=\s]*)-----END CERTIFICATE-----/g;

/** The DER of each CERTIFICATE block, in order; text between blocks is skipped. */
export function parsePemCertificates(pem: string): readonly Uint8Array[] {
  const blocks = [...pem.matchAll(CERTIFICATE)];
  if (blocks.length === 0) throw invalid('PEM: no certificate');
  return blocks.map(([, body = '']) => new Uint8Array(Buffer.from(body, 'base64')));
}

export function formatPemCertificate(der: Uint8Array): string {
  return formatPem('CERTIFICATE', der);
}

export function formatPemCrl(der: Uint8Array): string {
  return formatPem('X509 CRL', der);
}

/** One block, with a line feed at its end. */
export function formatPem(
  label: 'CERTIFICATE' | 'PRIVATE KEY' | 'X509 CRL',
  der: Uint8Array,
): string {
  const lines =
    Buffer.from(der)
      .toString('base64')
      .match(/.{1,64}/g) ?? [];
  return [`-----BEGIN ${label}-----`, ...lines, `-----END ${label}-----`, ''].join('\n');
}
