// What becomes of a bundle: the one that an object begins with, and each that is fetched. Judged first,
// then stored; and the newest stored one is what an https_spiffe endpoint is known by.

import type { Logger } from '../base/log.ts';
import type { Bundle } from '../spiffe/bundle/bundle.ts';
import { type TrustDomain, trustDomainOf } from '../spiffe/spiffe-id.ts';
import { checkKeys, checkSequence, keyDigests } from './bundle-check.ts';
import type { FetchedBundle } from './bundle-fetch.ts';
import { type BundleStore, withBundle } from './bundle-store.ts';
import type { EndpointTrust } from './endpoint-tls.ts';
import type { FederatedBundle } from './federated-bundle.ts';
import { fetchError } from './fetch-failure.ts';
import type { Relationship } from './relationships.ts';

/** Our own trust domain, as it is published now. */
export type OwnAuthorities = {
  readonly bundle: Bundle;
  /** Digests of further public keys of ours, such as those of intermediates. */
  readonly keys: ReadonlySet<string>;
};

export type BundleIntakeOptions = {
  readonly ownTrustDomain: TrustDomain;
  /** Undefined before it is known: until then nothing is taken. */
  readonly own: () => OwnAuthorities | undefined;
  readonly store: BundleStore;
  /** PEM of the authorities of https_web endpoints; Node's own list when undefined. */
  readonly webAuthorities?: (() => string) | undefined;
  readonly log: Logger;
};

export class BundleIntake {
  readonly #options: BundleIntakeOptions;

  constructor(options: BundleIntakeOptions) {
    this.#options = options;
  }

  storedOf(trustDomain: TrustDomain): FederatedBundle | undefined {
    return this.#options.store.bundles.get(trustDomain);
  }

  /** Stores what the object brings: a bundle to begin with where that is new, its labels. */
  async begin(relationship: Relationship): Promise<void> {
    const { trustDomain, uid, labels, bootstrap, bootstrapDigest } = relationship;
    const stored = this.storedOf(trustDomain);
    if (bootstrap !== undefined && stored?.bootstrapDigest !== bootstrapDigest) {
      // An operator's word: it counts whatever was fetched before, rollbacks included.
      this.#check(bootstrap);
      const { sequence: highestSequence } = bootstrap;
      const begun = { bootstrapDigest, highestSequence, isFetched: false };
      await this.#put({ trustDomain, uid, labels, bundle: bootstrap, ...begun });
    } else if (stored !== undefined) {
      const isSame = stored.uid === uid && sameLabels(stored.labels, labels);
      if (!isSame) await this.#put({ ...stored, uid, labels });
    }
  }

  /** Stores what was fetched, unless it is judged unfit; `isWanted` is asked last of all. */
  async take(
    relationship: Relationship,
    { bundle, digest, peer, address, ignored }: FetchedBundle,
    isWanted: () => boolean,
  ): Promise<void> {
    const { trustDomain, uid, labels, bootstrapDigest, url } = relationship;
    const stored = this.storedOf(trustDomain);
    this.#check(bundle);
    checkSequence(bundle, stored);
    if (!isWanted()) throw fetchError('NotStored', 'the object was changed meanwhile');
    const { sequence } = bundle;
    const known = stored?.highestSequence;
    const highestSequence = sequence === undefined ? known : Math.max(sequence, known ?? 0);
    const taken = { bundle, highestSequence, bootstrapDigest, isFetched: true };
    await this.#put({ trustDomain, uid, labels, ...taken });
    const left = ignored.length === 0 ? '' : `, without ${ignored.slice(0, 8).join('; ')}`;
    const fields = {
      trustDomain,
      path: url,
      identity: peer,
      message: `${address}, sha256 ${digest}${left}`,
      ...(sequence === undefined ? {} : { sequence }),
    };
    // §7.6: what a later look at an incident needs.
    this.#options.log.info(fields, 'Fetched the bundle of a federated trust domain');
  }

  /** How the endpoint is known now; throws `NoBundleToAuthenticate`. */
  trustFor({ profile, trustDomain }: Relationship): EndpointTrust {
    const { webAuthorities, ownTrustDomain, own } = this.#options;
    if (profile.type === 'https_web') {
      const ca = webAuthorities?.();
      return { type: 'https_web', ...(ca === undefined ? {} : { ca }) };
    }
    // Self-serving or not: always the newest bundle of the trust domain that the endpoint is of.
    const { endpointId } = profile;
    const endpointDomain = trustDomainOf(endpointId);
    const bundle =
      endpointDomain === ownTrustDomain ? own()?.bundle : this.storedOf(endpointDomain)?.bundle;
    const { x509Authorities: authorities = [] } = bundle ?? {};
    if (authorities.length === 0) {
      const detail = `no bundle of ${endpointDomain}, for ${trustDomain}`;
      throw fetchError('NoBundleToAuthenticate', detail);
    }
    return { type: 'https_spiffe', endpointId, authorities };
  }

  #check(bundle: Bundle): void {
    const { own, store } = this.#options;
    const ours = own();
    if (ours === undefined) throw fetchError('NotStored', 'our own authorities are not known yet');
    const keys = new Set([...ours.keys, ...keyDigests(ours.bundle)]);
    checkKeys(bundle, { own: keys, others: store.bundles });
  }

  async #put(bundle: FederatedBundle): Promise<void> {
    await this.#options.store.change((bundles) => withBundle(bundles, bundle));
  }
}

function sameLabels(
  a: Readonly<Record<string, string>>,
  b: Readonly<Record<string, string>>,
): boolean {
  const names = Object.keys(a);
  return (
    names.length === Object.keys(b).length &&
    names.every((name) => Object.hasOwn(b, name) && a[name] === b[name])
  );
}
