// The two documents by which verifiers that know OpenID Connect find the keys of JWT-SVIDs. They are
// not the SPIFFE bundle: other members, other readers, another place.

import type { KeyObject } from 'node:crypto';
import type { IssuerUrl } from './issuer-url.ts';
import { publicJwk } from './jwk.ts';
import { signingAlgorithmOf } from './jwt-algorithm.ts';

/** Behind the issuer. OpenID Connect Discovery §4. */
export const DISCOVERY_PATH = '/.well-known/openid-configuration';
export const KEYS_PATH = '/keys';

/**
 * How long a verifier may keep the keys before it asks again. A key is published at least twice as long
 * before it signs, and stays at least as long after its last token has expired.
 */
export const JWT_KEYS_MAX_AGE_SECONDS = 900;

type Keys = ReadonlyMap<string, KeyObject>;

/** OpenID Connect Discovery §3: the members that it demands, of what there is. JSON. */
export function formatDiscovery(issuer: IssuerUrl, keys: Keys): string {
  const algorithms = new Set([...keys.values()].map((key) => signingAlgorithmOf(key).name));
  return JSON.stringify({
    issuer,
    jwks_uri: `${issuer}${KEYS_PATH}`,
    response_types_supported: ['id_token'],
    subject_types_supported: ['public'],
    id_token_signing_alg_values_supported: [...algorithms].toSorted(),
  });
}

/** A JWK Set (RFC 7517 §5) whose keys say what they are for: some verifiers take no others. JSON. */
export function formatOidcKeys(keys: Keys): string {
  return JSON.stringify({
    keys: [...keys].map(([kid, key]) => ({
      ...publicJwk(key),
      use: 'sig',
      alg: signingAlgorithmOf(key).name,
      kid,
    })),
  });
}
