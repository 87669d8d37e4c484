// The OpenID Connect documents of the JWT authorities, as a public listener serves them.

import type { KeyObject } from 'node:crypto';
import { type IssuerUrl, issuerPath } from '../spiffe/jwt-svid/issuer-url.ts';
import {
  DISCOVERY_PATH,
  formatDiscovery,
  formatOidcKeys,
  JWT_KEYS_MAX_AGE_SECONDS,
  KEYS_PATH,
} from '../spiffe/jwt-svid/oidc-documents.ts';
import type { PublicDocument } from './public-listener.ts';

type Keys = ReadonlyMap<string, KeyObject>;
type Texts = { readonly discovery: string; readonly keys: string };

/** `keys`: the same object until they change; undefined while there are none. */
export function oidcDocuments(
  issuer: IssuerUrl,
  keys: () => Keys | undefined,
): readonly PublicDocument[] {
  let known: { readonly of: Keys; readonly texts: Texts } | undefined;
  const texts = (): Texts | undefined => {
    const now = keys();
    // No verifier is to learn, and keep, that nothing is trusted.
    if (now === undefined || now.size === 0) return undefined;
    if (known?.of !== now) {
      const made = { discovery: formatDiscovery(issuer, now), keys: formatOidcKeys(now) };
      known = { of: now, texts: made };
    }
    return known.texts;
  };
  const path = issuerPath(issuer);
  const common = { type: 'application/json', maxAgeSeconds: JWT_KEYS_MAX_AGE_SECONDS };
  return [
    { ...common, path: `${path}${DISCOVERY_PATH}`, read: () => texts()?.discovery },
    { ...common, path: `${path}${KEYS_PATH}`, read: () => texts()?.keys },
  ];
}
