// Before authorities are used they sign a throw-away X.509-SVID and JWT-SVID, which must be valid
// against the bundle by the same validators that peers use: one look that catches every mix-up of
// keys, certificates and bundle.

import { generateKeyPairSync } from 'node:crypto';
import { damaged } from '../../authorities/authority-state.ts';
import { CodedError } from '../../base/errors.ts';
import { publicKeyBits } from '../../spiffe/certificate/key-identifier.ts';
import { signJwt } from '../../spiffe/jwt-svid/jwt-algorithm.ts';
import { validateJwtSvid } from '../../spiffe/jwt-svid/jwt-svid.ts';
import { assembleJwtSvid, prepareJwtSvid } from '../../spiffe/jwt-svid/jwt-svid-signing.ts';
import { parseSpiffeId } from '../../spiffe/spiffe-id.ts';
import { validateX509Svid } from '../../spiffe/x509-svid/x509-svid.ts';
import { X509TrustAnchors } from '../../spiffe/x509-svid/x509-trust-anchors.ts';
import type { SigningAuthorities } from './signing-authorities.ts';

const LIFETIME_MS = 2000;
const AUDIENCE = 'self-check';

/** Throws `failed-precondition` when what they sign would not be believed. */
export function checkSelf(authorities: SigningAuthorities): void {
  try {
    checkX509(authorities);
    checkJwt(authorities);
  } catch (thrown) {
    throw damaged(`what it signs is not valid: ${CodedError.from(thrown).message}`);
  }
}

// As of the authority's last seconds: the question is what fits together, not what time it is.
function checkX509({ trustDomain, x509, bundle }: SigningAuthorities): void {
  const { notAfter } = x509.issuer;
  const { publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const svid = x509.issuer.issue({
    publicKey: publicKeyBits(publicKey.export({ type: 'spki', format: 'der' })),
    spiffeId: parseSpiffeId(`spiffe://${trustDomain}/self-check`),
    notBefore: notAfter - LIFETIME_MS,
    notAfter,
  });
  const anchors = new X509TrustAnchors(bundle.x509Authorities);
  validateX509Svid([svid.certificateDer, ...x509.above], {
    authoritiesOf: () => anchors,
    now: notAfter,
  });
}

function checkJwt({ trustDomain, jwt, bundle }: SigningAuthorities): void {
  const issuedAt = jwt.notAfter - LIFETIME_MS;
  const { signingInput } = prepareJwtSvid({
    algorithm: jwt.algorithm,
    keyId: jwt.authorityId,
    spiffeId: parseSpiffeId(`spiffe://${trustDomain}/self-check`),
    audience: [AUDIENCE],
    issuedAt,
    expiresAt: jwt.notAfter,
  });
  const token = assembleJwtSvid(signingInput, signJwt(signingInput, jwt.privateKey));
  validateJwtSvid(token, {
    audience: AUDIENCE,
    authoritiesOf: () => bundle.jwtAuthorities,
    now: issuedAt,
  });
}
