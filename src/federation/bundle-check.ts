// Whether a bundle may be taken for a trust domain: not older than what was taken before, and without a
// key of ours. A peer that could name our keys as its own could have our workloads taken for its own, and
// the other way round. A key that two peers name is given to one of them, and costs neither the rest.

import { createHash, type KeyObject } from 'node:crypto';
import { isIssuedBy } from '../spiffe/authority/authority-certificate.ts';
import type { Bundle } from '../spiffe/bundle/bundle.ts';
import { type Certificate, readCertificate } from '../spiffe/certificate/certificate.ts';
import { type TrustDomain, trustDomainId } from '../spiffe/spiffe-id.ts';
import type { FederatedBundle, FederatedBundles } from './federated-bundle.ts';
import { fetchError } from './fetch-failure.ts';

/** The bundle that an operator declared for a trust domain. */
export type DeclaredBundles = (trustDomain: TrustDomain) => Bundle | undefined;

export type Contest = {
  /** The bundle without the keys that are another trust domain's. */
  readonly bundle: Bundle;
  /** The others, without the keys that are this one's. */
  readonly others: FederatedBundles;
  /** Whose key is left out of whose bundle. */
  readonly lost: readonly LostKey[];
};

export type LostKey = { readonly by: TrustDomain; readonly to: TrustDomain };

const SIGNED = 1;
const DECLARED = 2;

/** Throws `KeyOfAnother` when a key of the bundle is one of `own`, digests as `keyDigests` gives them. */
export function checkOwnKeys(bundle: Bundle, own: ReadonlySet<string>): void {
  if (keyDigests(bundle).some((digest) => own.has(digest))) {
    throw fetchError('KeyOfAnother', 'it has a key of our own trust domain');
  }
}

/**
 * Gives each key that another trust domain has too to one of them: where an operator's word has it, else
 * where its own signature says that it belongs, else where it was before. A key is public before it
 * signs, so whoever names it first need not own it.
 */
export function settleContest(
  bundle: Bundle,
  stored: FederatedBundles,
  declared: DeclaredBundles,
): Contest {
  const { trustDomain } = bundle;
  const keys = new Set(keyDigests(bundle));
  const others = new Map(stored);
  const lost: LostKey[] = [];
  const leftOut = new Set<string>();
  for (const [name, other] of stored) {
    if (name === trustDomain) continue;
    const contested = keyDigests(other.bundle).filter((digest) => keys.has(digest));
    if (contested.length === 0) continue;
    const mine = claimsOf(bundle, declared(trustDomain));
    const theirs = claimsOf(other.bundle, declared(name));
    const taken = new Set<string>();
    for (const digest of new Set(contested)) {
      const isMine = (mine.get(digest) ?? 0) > (theirs.get(digest) ?? 0);
      (isMine ? taken : leftOut).add(digest);
      lost.push(isMine ? { by: name, to: trustDomain } : { by: trustDomain, to: name });
    }
    if (taken.size > 0) others.set(name, { ...other, bundle: withoutKeys(other.bundle, taken) });
  }
  return { bundle: withoutKeys(bundle, leftOut), others, lost };
}

/** The bundle without some keys, by digest; the same one when it has none of them. */
export function withoutKeys(bundle: Bundle, digests: ReadonlySet<string>): Bundle {
  if (!keyDigests(bundle).some((digest) => digests.has(digest))) return bundle;
  return {
    ...bundle,
    x509Authorities: bundle.x509Authorities.filter(
      (der) => !digests.has(digestOfCertificate(readCertificate(der))),
    ),
    jwtAuthorities: new Map(
      [...bundle.jwtAuthorities].filter(([, key]) => !digests.has(digestOfKey(key))),
    ),
  };
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
    ...bundle.x509Authorities.map((der) => digestOfCertificate(readCertificate(der))),
    ...[...bundle.jwtAuthorities.values()].map(digestOfKey),
  ];
}

export function digestOfKey(key: KeyObject): string {
  return digestOf(key.export({ type: 'spki', format: 'der' }));
}

/** How good the claims to keys are, by digest: only to be compared, and 0 without one. */
function claimsOf(bundle: Bundle, declared: Bundle | undefined): ReadonlyMap<string, number> {
  const claims = new Map<string, number>();
  for (const der of bundle.x509Authorities) {
    const certificate = readCertificate(der);
    if (saysItIsOf(certificate, bundle.trustDomain)) {
      claims.set(digestOfCertificate(certificate), SIGNED);
    }
  }
  if (declared !== undefined) {
    for (const digest of keyDigests(declared)) claims.set(digest, DECLARED);
  }
  return claims;
}

/** Whether the key has signed that it is of the trust domain: nobody else can make such a certificate. */
function saysItIsOf(certificate: Certificate, trustDomain: TrustDomain): boolean {
  const { uris } = certificate.extensions.alternativeNames;
  return uris.includes(trustDomainId(trustDomain)) && isIssuedBy(certificate, certificate);
}

function digestOfCertificate({ subjectPublicKeyInfo }: Certificate): string {
  return digestOf(subjectPublicKeyInfo);
}

function digestOf(spki: Uint8Array): string {
  return createHash('sha256').update(spki).digest('hex');
}
