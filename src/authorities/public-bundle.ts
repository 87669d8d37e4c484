// What the public state of the authorities says to others: the bundle of the trust domain, and whom
// clients of our own endpoints trust.

import { createPublicKey, type KeyObject } from 'node:crypto';
import type { Bundle } from '../spiffe/bundle/bundle.ts';
import { readCertificate } from '../spiffe/certificate/certificate.ts';
import { importJwk } from '../spiffe/jwt-svid/jwk.ts';
import { type Authority, type AuthorityState, damaged, isInBundle } from './authority-state.ts';

/** The bundle of the trust domain; throws `failed-precondition` for a state that gives none. */
export function bundleOf(state: AuthorityState): Bundle & { readonly sequence: number } {
  const shown = state.authorities.filter(isInBundle);
  return {
    trustDomain: state.trustDomain,
    sequence: state.sequence,
    refreshHintSeconds: undefined,
    x509Authorities: shown.filter(({ kind }) => kind === 'root').map(certificateOf),
    jwtAuthorities: new Map(
      shown.filter(({ kind }) => kind === 'jwt').map((jwt) => [jwt.id, publicKeyOf(jwt)]),
    ),
  };
}

/** DER of every serving authority that clients of our own endpoints must trust now. */
export function servingAuthoritiesOf(state: AuthorityState): readonly Uint8Array[] {
  return state.authorities
    .filter(({ kind, phase }) => kind === 'serving' && phase !== 'prepared')
    .map(certificateOf);
}

export function certificateOf({ id, certificate }: Authority): Uint8Array {
  if (certificate === undefined) throw damaged(`authority ${id} has no certificate`);
  // Kept for long, so not as a slice of a shared pool.
  return new Uint8Array(Buffer.from(certificate, 'base64'));
}

export function publicKeyOf(authority: Authority): KeyObject {
  const { jwk } = authority;
  if (jwk !== undefined) return importJwk(new Map(Object.entries(jwk)));
  const spki = readCertificate(certificateOf(authority)).subjectPublicKeyInfo;
  return createPublicKey({ key: Buffer.from(spki), format: 'der', type: 'spki' });
}
