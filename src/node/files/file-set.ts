// What is written for a pod, as bytes: its default identity's certificates, key and bundles in the
// forms that programs read, and its tokens. Pure.

import type { FileRequest } from '../../base/file-attributes.ts';
import { splitCertificates } from '../../spiffe/certificate/certificate.ts';
import { formatPem, formatPemCrl } from '../../spiffe/pem.ts';
import type { PodAnswer } from '../svid/pod-answer.ts';

export type ServedAnswer = Extract<PodAnswer, { kind: 'served' }>;

export type SetFile = {
  readonly name: string;
  readonly bytes: Uint8Array;
  /** Keys and tokens: for root, and a group if one was asked for. */
  readonly secret: boolean;
};

/** `tokens` are those in hand, by file name. */
export function fileSet(
  { names }: FileRequest,
  { identities, own, federated }: ServedAnswer,
  tokens: ReadonlyMap<string, string>,
): readonly SetFile[] {
  const [identity] = identities;
  if (identity === undefined) return [];
  const open = (name: string, text: string): SetFile => ({
    name,
    bytes: Buffer.from(text),
    secret: false,
  });
  const secret = (name: string, text: string): SetFile => ({ ...open(name, text), secret: true });
  return [
    open(names.chain, pemCertificates(identity.chain)),
    secret(names.key, formatPem('PRIVATE KEY', identity.key)),
    open(names.bundle, pemCertificates(own.x509)),
    open(names.jwtBundle, jwtBundles([own, ...federated])),
    ...(own.crls.length === 0 ? [] : [open(names.crl, own.crls.map(formatPemCrl).join(''))]),
    ...[...tokens].map(([name, token]) => secret(name, token)),
  ];
}

function pemCertificates(concatenated: Uint8Array): string {
  return splitCertificates(concatenated)
    .map((der) => formatPem('CERTIFICATE', der))
    .join('');
}

// As spiffe-helper writes them: trust domain → JWK Set in base64.
function jwtBundles(bundles: ServedAnswer['federated']): string {
  const sets = bundles
    .filter(({ jwks }) => jwks.length > 0)
    .map(({ trustDomain, jwks }) => [trustDomain, Buffer.from(jwks).toString('base64')]);
  return JSON.stringify(Object.fromEntries(sets));
}
