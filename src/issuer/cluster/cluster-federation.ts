// The bundles of other trust domains as the controller stored them: read again and again. A document that
// cannot be read, or is gone for a moment, changes nothing; one that says less takes bundles away.

import type { Clock } from '../../base/clock.ts';
import { CodedError } from '../../base/errors.ts';
import type { Logger } from '../../base/log.ts';
import {
  FEDERATED_CONFIG_MAP,
  type FederatedBundle,
  readFederatedBundles,
} from '../../federation/federated-bundle.ts';
import { type KubeClient, segment } from '../../kube/kube-client.ts';
import { isJsonObject, ownValue } from '../../template/json-value.ts';
import type { FederationSource } from '../pod-source.ts';

export type ClusterFederationOptions = {
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
  #bundles: readonly FederatedBundle[] = [];
  #hasFailed = false;

  constructor(options: ClusterFederationOptions) {
    this.#options = options;
  }

  federatedTrustDomains(): readonly FederatedBundle[] {
    return this.#bundles;
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
    const bundles = readFederatedBundles(text);
    this.#text = text;
    this.#bundles = [...bundles.values()];
    log.info({ count: bundles.size }, 'Took up the bundles of other trust domains');
    for (const listener of this.#listeners) listener();
  }
}
