// Who gets which identity, kept up to date change by change. Objects come and go one at a time; only
// what a change can affect is derived again, and the answer always equals a derivation from scratch.
// Reading settles what is unsettled, so a burst of changes costs each pod one settlement.

import type { TemplateData } from '../template/template.ts';
import { type CandidateContext, makeCandidate } from './candidate.ts';
import { type IndexedPod, IndexedPods } from './indexed-pods.ts';
import {
  type EndpointSliceObject,
  isSameLabels,
  isSameNode,
  type NamespaceObject,
  type NodeObject,
  type PodObject,
  type ServiceObject,
} from './objects.ts';
import { type RefusalReason, refusalOf } from './pod-identity.ts';
import { comparePreference, type Policy } from './policy.ts';
import { type NamespaceVerdicts, newVerdicts, PolicyMatcher, type Slot } from './policy-matcher.ts';
import { NO_OUTCOME, PolicyTallies, type PolicyTally } from './policy-tally.ts';
import { isSameSelection, selects } from './selectors.ts';
import { ServiceNames } from './service-names.ts';
import { type IdentitySettings, namespaceFilter } from './settings.ts';
import { isSameWinners, settle } from './settle.ts';

export type IndexedNamespace = {
  readonly isIgnored: boolean;
  readonly verdicts: NamespaceVerdicts;
};

export class IdentityIndex {
  readonly settings: IdentitySettings;
  readonly pods = new IndexedPods();
  readonly matcher = new PolicyMatcher();
  readonly #isIgnored: (namespace: string) => boolean;
  readonly #namespaces = new Map<string, IndexedNamespace>();
  readonly #nodes = new Map<string, NodeObject>();
  readonly #serviceNames = new ServiceNames();
  readonly #tallies = new PolicyTallies();
  readonly #unsettled = new Set<IndexedPod>();
  #changed = new Set<string>();

  constructor(settings: IdentitySettings) {
    this.settings = settings;
    this.#isIgnored = namespaceFilter(settings.ignoreNamespaces);
  }

  get namespaces(): ReadonlyMap<string, IndexedNamespace> {
    return this.#namespaces;
  }

  setPod(object: PodObject): void {
    const pod = this.pods.set(object);
    this.#changed.add(object.uid);
    this.#rederive(pod);
  }

  deletePod(uid: string): void {
    const pod = this.pods.delete(uid);
    if (pod === undefined) return;
    const { settledCandidates, fates } = pod;
    this.#tallies.recount({ candidates: settledCandidates, fates }, NO_OUTCOME);
    this.#unsettled.delete(pod);
    this.#changed.add(uid);
  }

  /** Sets or, with undefined, removes a namespace. */
  setNamespace(name: string, namespace: NamespaceObject | undefined): void {
    const known = this.#namespaces.get(name);
    if (namespace === undefined) this.#namespaces.delete(name);
    else if (known !== undefined && isSameLabels(known.verdicts.labels, namespace.labels)) return;
    else {
      const verdicts = newVerdicts(namespace.labels);
      this.#namespaces.set(name, { isIgnored: this.#isIgnored(name), verdicts });
    }
    for (const pod of this.pods.inNamespace(name)) this.#rederive(pod);
  }

  /** Sets or, with undefined, removes a node; what its kubelet reports all the time changes nothing. */
  setNode(name: string, node: NodeObject | undefined): void {
    const known = this.#nodes.get(name);
    if (node && known && isSameNode(known, node)) return;
    if (node === undefined) this.#nodes.delete(name);
    else this.#nodes.set(name, node);
    for (const pod of this.pods.onNode(name)) this.#rederive(pod);
  }

  setService(namespace: string, name: string, service: ServiceObject | undefined): void {
    this.#rederiveAll(this.#serviceNames.setService(`${namespace}/${name}`, service));
  }

  setEndpointSlice(namespace: string, name: string, slice: EndpointSliceObject | undefined): void {
    this.#rederiveAll(this.#serviceNames.setSlice(`${namespace}/${name}`, slice));
  }

  /** Sets or, with undefined, removes a policy; only pods that either of the two selects are touched. */
  setPolicy(name: string, policy: Policy | undefined): void {
    const before = this.matcher.get(name);
    if (before && policy && isSameSelection(before.policy, policy)) {
      this.#replace(before, policy);
      return;
    }
    if (before !== undefined) this.#withdraw(before);
    if (policy === undefined) return;
    const slot = this.matcher.add(policy);
    for (const { verdicts } of this.#namespaces.values()) this.matcher.forget(slot, verdicts);
    for (const pod of this.podsOf(slot)) {
      this.#unsettle(pod);
      pod.addCandidate(makeCandidate(policy, this.#contextOf(pod)));
    }
  }

  /** The pods that a policy selects. */
  *podsOf(slot: Slot): Iterable<IndexedPod> {
    const { podSelector } = slot.policy;
    for (const pod of this.pods.meeting(slot.anchor)) {
      const namespace = this.#namespaceOf(pod);
      if (namespace === undefined || !isOpenTo(slot, namespace)) continue;
      const isSelected = this.matcher.selectsNamespace(slot, namespace.verdicts);
      if (isSelected && selects(podSelector, pod.object.labels)) yield pod;
    }
  }

  /** A pod with everything about it up to date. */
  pod(uid: string): IndexedPod | undefined {
    const pod = this.pods.get(uid);
    if (pod !== undefined && this.#unsettled.delete(pod)) this.#settle(pod);
    return pod;
  }

  tallyOf(policy: string): Readonly<PolicyTally> {
    this.settleAll();
    return this.#tallies.of(policy);
  }

  settleAll(): void {
    for (const pod of this.#unsettled) this.#settle(pod);
    this.#unsettled.clear();
  }

  /** Marks a pod as changed by something that is not in the index. */
  markChanged(uid: string): void {
    this.#changed.add(uid);
  }

  /** The pods whose object or identities changed since the last call. */
  takeChanged(): ReadonlySet<string> {
    this.settleAll();
    const changed = this.#changed;
    this.#changed = new Set();
    return changed;
  }

  // Most edits leave the selectors alone, and so the pods.
  #replace(slot: Slot, policy: Policy): void {
    const before = slot.policy;
    slot.policy = policy;
    for (const pod of this.podsOf(slot)) {
      this.#unsettle(pod);
      pod.replaceCandidate(before, makeCandidate(policy, this.#contextOf(pod)));
    }
  }

  #withdraw(slot: Slot): void {
    for (const pod of this.podsOf(slot)) {
      this.#unsettle(pod);
      pod.candidates = pod.candidates.filter(({ policy }) => policy !== slot.policy);
    }
    this.matcher.remove(slot.policy.name);
    if (slot.anchor !== undefined) return;
    for (const { verdicts } of this.#namespaces.values()) verdicts.residual = undefined;
  }

  #rederiveAll(uids: Iterable<string>): void {
    for (const uid of uids) {
      const pod = this.pods.get(uid);
      if (pod !== undefined) this.#rederive(pod);
    }
  }

  #rederive(pod: IndexedPod): void {
    this.#unsettle(pod);
    const namespace = this.#namespaceOf(pod);
    if (namespace === undefined) {
      pod.candidates = [];
      return;
    }
    const context = this.#contextOf(pod);
    const matching = this.matcher.match(pod.object, namespace.verdicts);
    const slots = namespace.isIgnored ? matching.filter(({ policy }) => policy.entry) : matching;
    pod.candidates = slots
      .toSorted((a, b) => comparePreference(a.policy, b.policy))
      .map(({ policy }) => makeCandidate(policy, context));
  }

  #namespaceOf(pod: IndexedPod): IndexedNamespace | undefined {
    return pod.isNodeOwned ? undefined : this.#namespaces.get(pod.object.namespace);
  }

  /** What the templates of policies see of a pod. */
  dataOf({ object }: IndexedPod): TemplateData {
    const { trustDomain, clusterName, clusterDomain } = this.settings;
    const node = this.#nodes.get(object.nodeName);
    return { trustDomain, clusterName, clusterDomain, pod: object, ...(node && { node }) };
  }

  #contextOf(pod: IndexedPod): CandidateContext {
    const { object } = pod;
    return {
      settings: this.settings,
      pod: object,
      namespaceLabels: this.#namespaces.get(object.namespace)?.verdicts.labels ?? {},
      data: this.dataOf(pod),
      serviceNames: () => this.#serviceNames.namesOf(object, this.settings),
    };
  }

  #unsettle(pod: IndexedPod): void {
    if (!pod.isSettled) return;
    pod.isSettled = false;
    this.#unsettled.add(pod);
  }

  #settle(pod: IndexedPod): void {
    if (pod.isSettled) return;
    const { candidates, settledCandidates } = pod;
    const { fates, winners } = settle(candidates, pod);
    const refusal = winners.length > 0 ? '' : this.#refusalOf(pod, fates);
    if (refusal !== pod.refusal || !isSameWinners(winners, pod.winners)) {
      this.#changed.add(pod.object.uid);
    }
    const before = { candidates: settledCandidates, fates: pod.fates };
    this.#tallies.recount(before, { candidates, fates });
    pod.settledCandidates = candidates;
    pod.fates = fates;
    pod.winners = winners;
    pod.refusal = refusal;
    pod.isSettled = true;
  }

  #refusalOf(pod: IndexedPod, fates: IndexedPod['fates']): RefusalReason {
    if (pod.isNodeOwned) return 'NodePod';
    return this.#namespaces.has(pod.object.namespace) ? refusalOf(fates) : 'ViewBehind';
  }
}

// Only a ClusterSPIFFEID looks at namespaces, ignored ones included (compatibility G3).
function isOpenTo({ policy }: Slot, { isIgnored }: IndexedNamespace): boolean {
  return !isIgnored || policy.entry !== undefined;
}
