// Whether a bundle may be taken for a trust domain: not older than what was taken before, and without a
// key that belongs to somebody else, us included. A peer that could name our keys as its own could have
// our workloads taken for its own, and the other way round.

import { createHash, type KeyObject } from 'node:crypto';
import type { Bundle } from '../spiffe/bundle/bundle.ts';
import { readCertificate } from '../spiffe/certificate/certificate.ts';
import type { TrustDomain } from '../spiffe/spiffe-id.ts';
import type { FederatedBundle, FederatedBundles } from './federated-bundle.ts';
import { fetchError } from './fetch-failure.ts';

export type Belonging = {
  /** Public keys of our own authorities, of every kind, as `keyDigests` gives them. */
  readonly own: ReadonlySet<string>;
  readonly others: FederatedBundles;
};

/** Throws `KeyOfAnother` when a key of the bundle is known as somebody else's. */
export function checkKeys(bundle: Bundle, { own, others }: Belonging): void {
  const taken = new Map<string, TrustDomain>();
  for (const [trustDomain, other] of others) {
    if (trustDomain === bundle.trustDomain) continue;
    for (const digest of keyDigests(other.bundle)) taken.set(digest, trustDomain);
  }
  for (const digest of keyDigests(bundle)) {
    if (own.has(digest)) throw fetchError('KeyOfAnother', 'it has a key of our own trust domain');
    const owner = taken.get(digest);
    if (owner !== undefined) throw fetchError('KeyOfAnother', `it has a key of ${owner}`);
  }
}

/** Throws `SequenceWentBack` for a fetched bundle that is older than one that was taken before. */
export function checkSequence(bundle: Bundle, before: FederatedBundle | undefined): void {
  const { sequence } = bundle;
  const highest = before?.highestSequence;
  if (sequence === undefined || highest === undefined || sequence >= highest) return;
  throw fetchError('SequenceWentBack', `its sequence went back from ${highest} to ${sequence}`);
}

/** One digest for each public key, whatever certificate or JWK it is in. */
export function keyDigests(bundle: Bundle): readonly string[] {
  return [
    ...bundle.x509Authorities.map((der) => digestOf(readCertificate(der).subjectPublicKeyInfo)),
    ...[...bundle.jwtAuthorities.values()].map(digestOfKey),
  ];
}

export function digestOfKey(key: KeyObject): string {
  return digestOf(key.export({ type: 'spki', format: 'der' }));
}

function digestOf(spki: Uint8Array): string {
  return createHash('sha256').update(spki).digest('hex');
}
