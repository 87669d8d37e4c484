// A bundle as bytes: the SPIFFE bundle document for other trust domains, and the two forms of the
// Workload API. Only members that the standard names; `keys` is a list even when it is empty.

import { authorityPublicKey } from '../authority/authority-certificate.ts';
import { readCertificate } from '../certificate/certificate.ts';
import { type PublicJwk, publicJwk } from '../jwt-svid/jwk.ts';
import type { Bundle } from './bundle.ts';

type BundleKey =
  | (PublicJwk & { readonly use: 'x509-svid'; readonly x5c: readonly [string] })
  | (PublicJwk & { readonly use: 'jwt-svid'; readonly kid: string });

/** The SPIFFE bundle document (Trust Domain and Bundle §4), UTF-8. */
export function formatSpiffeBundle(bundle: Bundle): Uint8Array {
  const { sequence, refreshHintSeconds } = bundle;
  return encode({
    keys: [...bundle.x509Authorities.map(x509Key), ...jwtKeys(bundle)],
    ...(sequence === undefined ? {} : { spiffe_sequence: sequence }),
    ...(refreshHintSeconds === undefined ? {} : { spiffe_refresh_hint: refreshHintSeconds }),
  });
}

/** The X.509 authorities, DER one after the other (Workload API §5.2). */
export function formatX509Bundle(bundle: Bundle): Uint8Array {
  return new Uint8Array(Buffer.concat(bundle.x509Authorities));
}

/** A JWK Set of the JWT authorities alone (Workload API §6.2), UTF-8. */
export function formatJwtBundle(bundle: Bundle): Uint8Array {
  return encode({ keys: jwtKeys(bundle) });
}

// X509-SVID §6.1: no `kid`, and exactly one certificate.
function x509Key(der: Uint8Array): BundleKey {
  const key = publicJwk(authorityPublicKey(readCertificate(der)));
  return { ...key, use: 'x509-svid', x5c: [Buffer.from(der).toString('base64')] };
}

// JWT-SVID §6.1.
function jwtKeys(bundle: Bundle): readonly BundleKey[] {
  return [...bundle.jwtAuthorities].map(([kid, key]) => ({
    ...publicJwk(key),
    use: 'jwt-svid',
    kid,
  }));
}

function encode(document: { readonly keys: readonly BundleKey[] }): Uint8Array {
  return new TextEncoder().encode(JSON.stringify(document));
}
