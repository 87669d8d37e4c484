// The trust domain of a dev run: the one given, else the one that all templates spell out, else one
// that can belong to nobody.

import { objectIn, textIn } from '../identity/objects.ts';
import { parseTrustDomain, type TrustDomain } from '../spiffe/spiffe-id.ts';
import type { ManifestObject } from './read-manifests.ts';

const DEFAULT_TRUST_DOMAIN = 'dev.invalid';
/** What says an ID, by kind. */
const ID_FIELDS: ReadonlyMap<string, string> = new Map([
  ['ClusterSPIFFEID', 'spiffeIDTemplate'],
  ['ClusterStaticEntry', 'spiffeID'],
]);
const LITERAL = /^spiffe:\/\/([a-z0-9._-]+)(\/|$)/;

/** Throws `invalid-argument` when `given` is not a trust domain. */
export function devTrustDomain(
  given: string | undefined,
  manifests: readonly ManifestObject[],
): TrustDomain {
  if (given !== undefined) return parseTrustDomain(given);
  const literal = new Set(
    manifests
      .map(
        ({ kind, object }) =>
          LITERAL.exec(textIn(objectIn(object, 'spec'), ID_FIELDS.get(kind) ?? ''))?.[1],
      )
      .filter((name) => name !== undefined),
  );
  const [only] = literal;
  return parseTrustDomain(literal.size === 1 && only !== undefined ? only : DEFAULT_TRUST_DOMAIN);
}
