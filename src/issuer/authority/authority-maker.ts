// Makes the key and the certificate of one new authority. Rare work; the RSA key, which takes long,
// is made off the event loop.

import { createPublicKey, generateKeyPair, hash, type KeyObject } from 'node:crypto';
import { promisify } from 'node:util';
import type { Authority, AuthorityKind } from '../../authorities/authority-state.ts';
import {
  createIntermediateAuthority,
  createRootAuthority,
  createServingAuthority,
  type X509Authority,
} from '../../spiffe/authority/x509-authority.ts';
import { jwkThumbprint, publicJwk } from '../../spiffe/jwt-svid/jwk.ts';
import type { TrustDomain } from '../../spiffe/spiffe-id.ts';
import type { AuthorityLife } from './authority-plan.ts';
import { firstRootCrl } from './root-crl.ts';

/** RS256 is what every validator knows; ES256 is smaller and faster. */
export type JwtKeyType = 'rsa-2048' | 'ec-p256';

export type AuthorityOrder = {
  readonly kind: AuthorityKind;
  readonly trustDomain: TrustDomain;
  readonly life: AuthorityLife;
  readonly jwtKeyType: JwtKeyType;
  /** Seconds since the epoch. */
  readonly now: number;
  /** Who signs an intermediate. */
  readonly parent?: ParentAuthority;
};

export type ParentAuthority = X509Authority & { readonly id: string; readonly notAfter: number };

export type MadeAuthority = { readonly authority: Authority; readonly privateKey: KeyObject };

/** Clocks of verifiers may be behind; an intermediate is seen by nobody before its first leaf. */
const BACKDATE_SECONDS = 24 * 3600;
const INTERMEDIATE_BACKDATE_SECONDS = 60;

const generate = promisify(generateKeyPair);

export async function makeAuthority(order: AuthorityOrder): Promise<MadeAuthority> {
  const { kind, now, life, parent } = order;
  const backdate = kind === 'intermediate' ? INTERMEDIATE_BACKDATE_SECONDS : BACKDATE_SECONDS;
  const dates = {
    notBefore: now - backdate,
    notAfter: Math.min(now + life.lifetime, parent?.notAfter ?? Number.POSITIVE_INFINITY),
  };
  const common = { kind, phase: 'prepared' as const, preparedAt: now, ...dates };
  if (kind === 'jwt') {
    const { privateKey } = await makeJwtKey(order.jwtKeyType);
    const jwk = publicJwk(privateKey);
    return { authority: { ...common, id: jwkThumbprint(jwk), jwk }, privateKey };
  }
  const { certificateDer, privateKey } = await makeX509(kind, order, dates);
  const authority: Authority = {
    ...common,
    id: authorityId(privateKey),
    certificate: Buffer.from(certificateDer).toString('base64'),
    ...(parent === undefined ? {} : { parent: parent.id }),
  };
  if (kind !== 'root') return { authority, privateKey };
  // Now: the key of one that stands by is read by nobody afterwards.
  const crl = firstRootCrl(authority, { certificateDer, privateKey }, now);
  return { authority: { ...authority, crl }, privateKey };
}

async function makeX509(
  kind: Exclude<AuthorityKind, 'jwt'>,
  { trustDomain, parent }: AuthorityOrder,
  dates: { readonly notBefore: number; readonly notAfter: number },
): Promise<X509Authority> {
  const options = {
    trustDomain,
    notBefore: dates.notBefore * 1000,
    notAfter: dates.notAfter * 1000,
  };
  switch (kind) {
    case 'root':
      return await createRootAuthority(options);
    case 'serving':
      return await createServingAuthority(options);
    case 'intermediate':
      if (parent === undefined) throw new TypeError('an intermediate without a parent');
      return await createIntermediateAuthority({ ...options, signedBy: parent });
  }
}

async function makeJwtKey(type: JwtKeyType): Promise<{ privateKey: KeyObject }> {
  return type === 'ec-p256'
    ? await generate('ec', { namedCurve: 'P-256' })
    : await generate('rsa', { modulusLength: 2048, publicExponent: 65537 });
}

function authorityId(privateKey: KeyObject): string {
  return hash('sha256', createPublicKey(privateKey).export({ type: 'spki', format: 'der' }), 'hex');
}
