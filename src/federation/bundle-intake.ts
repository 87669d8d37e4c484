// What becomes of a bundle: the one that an object begins with, and each that is fetched. Judged first,
// then stored; and the newest stored one is what an https_spiffe endpoint is known by.

import type { Logger } from '../base/log.ts';
import type { Bundle } from '../spiffe/bundle/bundle.ts';
import { type TrustDomain, trustDomainOf } from '../spiffe/spiffe-id.ts';
import {
  checkOwnKeys,
  checkSequence,
  type DeclaredBundles,
  keyDigests,
  type LostKey,
  settleContest,
} from './bundle-check.ts';
import type { FetchedBundle } from './bundle-fetch.ts';
import { type BundleStore, withBundle } from './bundle-store.ts';
import type { EndpointTrust } from './endpoint-tls.ts';
import type { FederatedBundle, FederatedBundles } from './federated-bundle.ts';
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
  readonly #declared: DeclaredBundles;

  constructor(options: BundleIntakeOptions, declared: DeclaredBundles = () => undefined) {
    this.#options = options;
    this.#declared = declared;
  }

  storedOf(trustDomain: TrustDomain): FederatedBundle | undefined {
    return this.#options.store.bundles.get(trustDomain);
  }

  /** Stores what the object brings: a bundle to begin with where that is new, its labels. */
  async begin(relationship: Relationship): Promise<void> {
    const { trustDomain, uid, labels, bootstrap, bootstrapDigest } = relationship;
    const known = this.storedOf(trustDomain);
    if (known === undefined ? bootstrap === undefined : isBegun(known, relationship)) return;
    await this.#put((bundles) => {
      const stored = bundles.get(trustDomain);
      if (bootstrap !== undefined && stored?.bootstrapDigest !== bootstrapDigest) {
        // An operator's word: it counts whatever was fetched before, rollbacks included.
        const { sequence: highestSequence } = bootstrap;
        const begun = { bootstrapDigest, highestSequence, isFetched: false };
        return { trustDomain, uid, labels, bundle: bootstrap, ...begun };
      }
      return stored === undefined || isBegun(stored, relationship)
        ? undefined
        : { ...stored, uid, labels, bootstrapDigest };
    });
  }

  /**
   * Stores what was fetched, unless it is judged unfit; `isWanted` is asked last of all. Everything is
   * judged by what is stored at that moment: another leader may have stored something newer.
   */
  async take(
    relationship: Relationship,
    { bundle, digest, peer, address, ignored }: FetchedBundle,
    isWanted: () => boolean,
  ): Promise<readonly LostKey[]> {
    const { trustDomain, uid, labels, bootstrapDigest, url } = relationship;
    const { sequence } = bundle;
    const lost = await this.#put((bundles) => {
      const stored = bundles.get(trustDomain);
      checkSequence(bundle, stored);
      if (!isWanted()) throw fetchError('NotStored', 'the object was changed meanwhile');
      const known = stored?.highestSequence;
      const highestSequence = sequence === undefined ? known : Math.max(sequence, known ?? 0);
      const taken = { bundle, highestSequence, bootstrapDigest, isFetched: true };
      return { trustDomain, uid, labels, ...taken };
    });
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
    return lost;
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

  /** Stores what `make` makes of what is stored; says which keys two trust domains have. */
  async #put(
    make: (bundles: FederatedBundles) => FederatedBundle | undefined,
  ): Promise<readonly LostKey[]> {
    let lost: readonly LostKey[] = [];
    await this.#options.store.change((bundles) => {
      lost = [];
      const made = make(bundles);
      if (made === undefined) return bundles;
      checkOwnKeys(made.bundle, this.#ownKeys());
      const contest = settleContest(made.bundle, bundles, this.#declared);
      lost = contest.lost;
      return withBundle(contest.others, { ...made, bundle: contest.bundle });
    });
    for (const { by, to } of lost) {
      const fields = { trustDomain: by, message: `it is of ${to}` };
      this.#options.log.warn(fields, 'Left out a key that another trust domain has too');
    }
    return lost;
  }

  #ownKeys(): ReadonlySet<string> {
    const ours = this.#options.own();
    if (ours === undefined) throw fetchError('NotStored', 'our own authorities are not known yet');
    return new Set([...ours.keys, ...keyDigests(ours.bundle)]);
  }
}

function isBegun(stored: FederatedBundle, { uid, labels, bootstrapDigest }: Relationship): boolean {
  return (
    stored.uid === uid &&
    stored.bootstrapDigest === bootstrapDigest &&
    sameLabels(stored.labels, labels)
  );
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
