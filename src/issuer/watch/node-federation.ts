// Which foreign bundles one node gets: those that an entry of one of its pods federates with, by name or
// by labels, and no others. A trust domain whose bundle is not there is simply not among them.

import { selects } from '../../identity/selectors.ts';
import type { Bundle } from '../../spiffe/bundle/bundle.ts';
import type { TrustDomain } from '../../spiffe/spiffe-id.ts';
import type { FederationSource, IssuableEntry, IssuablePod, PodSource } from '../pod-source.ts';
import type { NodeSession } from './node-sessions.ts';

export type NodeFederationOptions = {
  readonly pods: PodSource;
  readonly federation: FederationSource;
};

export class NodeFederation {
  readonly #node: string;
  readonly #options: NodeFederationOptions;
  /** What the node was sent last. */
  #sent: ReadonlySet<TrustDomain> = new Set();

  constructor(node: string, options: NodeFederationOptions) {
    this.#node = node;
    this.#options = options;
  }

  /** The bundles that the pods of the node need now; taken to be sent. */
  take(): readonly Bundle[] {
    const { pods, federation } = this.#options;
    const needed = new Set<TrustDomain>();
    for (const pod of pods.podsOn(this.#node)) {
      if (pod.volumes.length > 0) for (const name of this.#needs(pod)) needed.add(name);
    }
    const bundles = Array.from(federation.federatedTrustDomains(), ({ bundle }) => bundle).filter(
      ({ trustDomain }) => needed.has(trustDomain),
    );
    this.#sent = new Set(bundles.map(({ trustDomain }) => trustDomain));
    return bundles;
  }

  /** Whether there is a bundle that the pod needs and the node has not. */
  lacks(pod: IssuablePod): boolean {
    const needs = new Set(this.#needs(pod).filter((name) => !this.#sent.has(name)));
    if (needs.size === 0) return false;
    for (const { bundle } of this.#options.federation.federatedTrustDomains()) {
      if (needs.has(bundle.trustDomain)) return true;
    }
    return false;
  }

  /** The trust domains of an entry: those that it names, and those that it selects. */
  readonly of = (entry: IssuableEntry): readonly TrustDomain[] => {
    const { federatesWith, federatesWithMatching: selector } = entry;
    if (selector === undefined) return federatesWith;
    const selected = Array.from(this.#options.federation.federatedTrustDomains())
      .filter(({ labels }) => selects(selector, labels))
      .map(({ bundle }) => bundle.trustDomain);
    return [...new Set([...federatesWith, ...selected])];
  };

  #needs(pod: IssuablePod): readonly TrustDomain[] {
    return pod.entries.flatMap(this.of);
  }
}

/** The pods that are to be told again when the set of foreign trust domains, or their labels, change. */
export function addFederating({ node, outbox }: NodeSession, pods: PodSource): void {
  for (const { uid, entries } of pods.podsOn(node)) {
    const selects = entries.some(
      ({ federatesWithMatching }) => federatesWithMatching !== undefined,
    );
    if (selects) outbox.addPod(uid, false);
  }
}
