// The bundles of other trust domains as the controller stored them: read again and again. A document that
// cannot be read, or is gone for a moment, changes nothing; one that says less takes bundles away. Whoever
// can write it is believed as to whom to trust elsewhere, but not as to our own trust domain.

import type { Clock } from '../../base/clock.ts';
import { CodedError } from '../../base/errors.ts';
import type { Logger } from '../../base/log.ts';
import { withoutKeys } from '../../federation/bundle-check.ts';
import {
  FEDERATED_CONFIG_MAP,
  type FederatedBundle,
  type FederatedBundles,
  readFederatedBundles,
} from '../../federation/federated-bundle.ts';
import { type KubeClient, segment } from '../../kube/kube-client.ts';
import type { TrustDomain } from '../../spiffe/spiffe-id.ts';
import { isJsonObject, ownValue } from '../../template/json-value.ts';
import type { FederationSource } from '../pod-source.ts';

export type ClusterFederationOptions = {
  readonly ownTrustDomain: TrustDomain;
  /** Our public keys, as `keyDigests` gives them; undefined before they are known. */
  readonly ownKeys: () => ReadonlySet<string> | undefined;
  readonly client: KubeClient;
  readonly namespace: string;
  readonly clock: Clock;
  readonly log: Logger;
};

const LOOK_EVERY_MS = 3000;
const KEY = 'document.json';

export class ClusterFederation implements FederationSource {
  readonly #options: ClusterFederationOptions;
  readonly #listeners = new Set<() => void>();
  #text = '';
  #bundles: FederatedBundles = new Map();
  /** What is left of `#bundles` without keys of ours, and by which it was judged. */
  #served: {
    readonly bundles: FederatedBundles;
    readonly own: ReadonlySet<string>;
    readonly list: readonly FederatedBundle[];
  } = { bundles: this.#bundles, own: new Set(), list: [] };
  #hasFailed = false;

  constructor(options: ClusterFederationOptions) {
    this.#options = options;
  }

  federatedTrustDomains(): readonly FederatedBundle[] {
    const own = this.#options.ownKeys();
    const bundles = this.#bundles;
    if (own === undefined) return [];
    if (this.#served.bundles !== bundles || this.#served.own !== own) {
      this.#served = { bundles, own, list: this.#without(own) };
    }
    return this.#served.list;
  }

  onFederationChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Looks until aborted. Never rejects: identities do not depend on other trust domains. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, log } = this.#options;
    while (!signal.aborted) {
      try {
        await this.#look(signal);
        this.#hasFailed = false;
      } catch (thrown) {
        const err = CodedError.from(thrown);
        // The API server being away is said elsewhere, and once is enough.
        if (!signal.aborted && !this.#hasFailed) {
          log.warn({ err }, 'Failed to read the bundles of other trust domains, will retry');
        }
        this.#hasFailed = true;
      }
      await clock.sleep(LOOK_EVERY_MS, signal);
    }
  }

  async #look(signal: AbortSignal): Promise<void> {
    const { client, namespace, log } = this.#options;
    const name = segment(FEDERATED_CONFIG_MAP);
    const path = `/api/v1/namespaces/${segment(namespace)}/configmaps/${name}`;
    const data = ownValue(await client.send({ method: 'GET', path, signal }), 'data');
    const text = isJsonObject(data) ? ownValue(data, KEY) : undefined;
    if (typeof text !== 'string' || text === '' || text === this.#text) return;
    const bundles = this.#judged(readFederatedBundles(text));
    this.#text = text;
    this.#bundles = bundles;
    log.info({ count: bundles.size }, 'Took up the bundles of other trust domains');
    for (const listener of this.#listeners) listener();
  }

  #without(own: ReadonlySet<string>): readonly FederatedBundle[] {
    return Array.from(this.#bundles.values(), (stored) => {
      const bundle = withoutKeys(stored.bundle, own);
      if (bundle === stored.bundle) return stored;
      const { trustDomain } = stored;
      this.#options.log.warn({ trustDomain }, 'Left out keys of ours from the bundle of another');
      return { ...stored, bundle };
    });
  }

  #judged(read: FederatedBundles): FederatedBundles {
    const { ownTrustDomain, log } = this.#options;
    const bundles = new Map<TrustDomain, FederatedBundle>();
    for (const [trustDomain, bundle] of read) {
      if (trustDomain === ownTrustDomain) {
        log.warn({ trustDomain }, 'Left out a stored bundle of our own trust domain');
        continue;
      }
      const before = this.#bundles.get(trustDomain);
      const isOlder = before !== undefined && isRollback(before, bundle);
      if (isOlder) {
        const reason = 'SequenceWentBack';
        log.warn({ trustDomain, reason }, 'Kept the bundle of another trust domain');
      }
      bundles.set(trustDomain, isOlder ? before : bundle);
    }
    return bundles;
  }
}

/** An operator's new word, or a new object, may go back; nobody else. */
function isRollback(before: FederatedBundle, now: FederatedBundle): boolean {
  const { highestSequence: highest, uid, bootstrapDigest } = before;
  if (uid !== now.uid || bootstrapDigest !== now.bootstrapDigest) return false;
  return highest !== undefined && (now.highestSequence ?? -1) < highest;
}
