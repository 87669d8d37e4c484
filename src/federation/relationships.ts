// Which foreign trust domains are declared, from ClusterFederatedTrustDomains as they are stored: one
// object a trust domain counts, the oldest; what cannot count says why. Pure.

import { createHash } from 'node:crypto';
import {
  type ClusterFederatedTrustDomain,
  type EndpointProfile,
  parseClusterFederatedTrustDomain,
} from '../crds/cluster-federated-trust-domain.ts';
import { objectIn, textIn } from '../identity/objects.ts';
import type { Bundle } from '../spiffe/bundle/bundle.ts';
import type { TrustDomain } from '../spiffe/spiffe-id.ts';
import type { JsonObject } from '../template/json-value.ts';

export type Relationship = {
  readonly name: string;
  readonly uid: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly trustDomain: TrustDomain;
  readonly url: string;
  readonly profile: EndpointProfile;
  readonly bootstrap: Bundle | undefined;
  /** '' without one. */
  readonly bootstrapDigest: string;
};

/** What one object comes to. */
export type Declared =
  | { readonly kind: 'relationship'; readonly relationship: Relationship }
  /** It is somebody else's: of a class that is not served. */
  | { readonly kind: 'foreign' }
  | {
      readonly kind: 'refused';
      readonly uid: string;
      readonly reason: 'Invalid' | 'OwnTrustDomain' | 'Masked';
      readonly message: string;
    };

export type DeclareOptions = {
  readonly ownTrustDomain: TrustDomain;
  readonly servesClass: (className: string) => boolean;
};

/** By name of the object. */
export function declaredIn(
  objects: Iterable<JsonObject>,
  options: DeclareOptions,
): ReadonlyMap<string, Declared> {
  const declared = new Map<string, Declared>();
  const winners = new Map<TrustDomain, ClusterFederatedTrustDomain>();
  const candidates: { read: ClusterFederatedTrustDomain; object: JsonObject }[] = [];
  for (const object of objects) {
    const metadata = objectIn(object, 'metadata');
    const name = textIn(metadata, 'name');
    const uid = textIn(metadata, 'uid') || name;
    if (!options.servesClass(textIn(objectIn(object, 'spec'), 'className'))) {
      declared.set(name, { kind: 'foreign' });
      continue;
    }
    const { value: read, errors } = parseClusterFederatedTrustDomain(object);
    if (read === undefined) {
      declared.set(name, { kind: 'refused', uid, reason: 'Invalid', message: errors.join('; ') });
    } else if (read.trustDomain === options.ownTrustDomain) {
      const message = 'spec.trustDomain: it is our own; its bundle is the one we publish';
      declared.set(name, { kind: 'refused', uid, reason: 'OwnTrustDomain', message });
    } else {
      candidates.push({ read, object });
      const known = winners.get(read.trustDomain);
      if (known === undefined || isBefore(read, known)) winners.set(read.trustDomain, read);
    }
  }
  for (const { read, object } of candidates) {
    const winner = winners.get(read.trustDomain);
    declared.set(read.name, winner === read ? toDeclared(read, object) : masked(read, winner));
  }
  return declared;
}

/** Compatibility D7: the older object holds, then the lower UID. */
function isBefore(a: ClusterFederatedTrustDomain, b: ClusterFederatedTrustDomain): boolean {
  if (a.creationTimestamp !== b.creationTimestamp) return a.creationTimestamp < b.creationTimestamp;
  return a.uid < b.uid;
}

function masked(
  { uid, trustDomain }: ClusterFederatedTrustDomain,
  winner: ClusterFederatedTrustDomain | undefined,
): Declared {
  const message = `${winner?.name ?? ''} declares ${trustDomain} already, and is older`;
  return { kind: 'refused', uid, reason: 'Masked', message };
}

function toDeclared(read: ClusterFederatedTrustDomain, object: JsonObject): Declared {
  const { name, uid, trustDomain, bundleEndpointUrl: url, profile, bootstrapBundle } = read;
  const text = textIn(objectIn(object, 'spec'), 'trustDomainBundle');
  const bootstrapDigest = text === '' ? '' : createHash('sha256').update(text).digest('hex');
  const relationship: Relationship = {
    name,
    uid,
    labels: labelsOf(object),
    trustDomain,
    url,
    profile,
    bootstrap: bootstrapBundle?.bundle,
    bootstrapDigest,
  };
  return { kind: 'relationship', relationship };
}

function labelsOf(object: JsonObject): Readonly<Record<string, string>> {
  const labels = objectIn(objectIn(object, 'metadata'), 'labels');
  const texts = Object.entries(labels).filter(([, value]) => typeof value === 'string');
  return Object.fromEntries(texts) as Record<string, string>;
}
