// Which policies select a pod, without asking each of them. Every policy hangs on one requirement
// of its pod selector that few pods meet; a pod probes each label key that policies hang on once and
// verifies the few that are left. What a namespace's labels decide is remembered per namespace.

import type { Requirement } from '../crds/label-selector.ts';
import type { JsonObject } from '../template/json-value.ts';
import { indexedValue, type PodObject } from './objects.ts';
import type { Policy } from './policy.ts';
import { selects } from './selectors.ts';

/** A policy in the matcher. */
export type Slot = {
  /** Replaced only by one that selects the same. */
  policy: Policy;
  /** Index into the verdicts of namespaces. */
  readonly index: number;
  /** What it hangs on: a key with values, a key alone, or nothing. */
  readonly anchor: Requirement | undefined;
};

/** What policies say about one namespace, by slot: 0 not asked yet, 1 selected, 2 not. */
export type NamespaceVerdicts = {
  readonly labels: JsonObject;
  readonly verdicts: Uint8Array[];
  residual: readonly Slot[] | undefined;
};

const CHUNK = 256;
const SELECTED = 1;
const NOT_SELECTED = 2;

export class PolicyMatcher {
  readonly #slots = new Map<string, Slot>();
  readonly #free: number[] = [];
  #size = 0;
  /** Label key → value → policies that hang on it. */
  readonly #byValue = new Map<string, Map<string, Set<Slot>>>();
  readonly #byKey = new Map<string, Set<Slot>>();
  readonly #residual = new Set<Slot>();
  /** How many policies require a key to have a value: what many require selects little. */
  readonly #demand = new Map<string, number>();

  get(name: string): Slot | undefined {
    return this.#slots.get(name);
  }

  get slots(): Iterable<Slot> {
    return this.#slots.values();
  }

  /** Adds a policy whose name is not in use. */
  add(policy: Policy): Slot {
    const index = this.#free.pop() ?? this.#size++;
    this.#count(policy, 1);
    const slot = { policy, index, anchor: this.#chooseAnchor(policy) };
    this.#slots.set(policy.name, slot);
    for (const set of this.#places(slot)) set.add(slot);
    return slot;
  }

  remove(name: string): Slot | undefined {
    const slot = this.#slots.get(name);
    if (slot === undefined) return undefined;
    for (const set of this.#places(slot)) set.delete(slot);
    if (slot.anchor !== undefined) this.#prune(slot.anchor);
    this.#count(slot.policy, -1);
    this.#slots.delete(name);
    this.#free.push(slot.index);
    return slot;
  }

  /** The policies that select a pod, in no order. */
  match(pod: PodObject, namespace: NamespaceVerdicts): Slot[] {
    const { labels } = pod;
    const found: Slot[] = [];
    const consider = (slot: Slot) => {
      if (this.selectsNamespace(slot, namespace) && selects(slot.policy.podSelector, labels)) {
        found.push(slot);
      }
    };
    for (const [key, values] of this.#byValue) {
      const value = indexedValue(pod, key);
      if (value !== undefined) values.get(value)?.forEach(consider);
    }
    for (const [key, slots] of this.#byKey) {
      if (Object.hasOwn(labels, key)) slots.forEach(consider);
    }
    namespace.residual ??= [...this.#residual].filter((slot) =>
      this.selectsNamespace(slot, namespace),
    );
    namespace.residual.forEach(consider);
    return found;
  }

  selectsNamespace({ policy, index }: Slot, namespace: NamespaceVerdicts): boolean {
    if (policy.namespaceSelector === undefined) return true;
    const chunk = (namespace.verdicts[Math.floor(index / CHUNK)] ??= new Uint8Array(CHUNK));
    let verdict = chunk[index % CHUNK];
    if (verdict === 0) {
      verdict = selects(policy.namespaceSelector, namespace.labels) ? SELECTED : NOT_SELECTED;
      chunk[index % CHUNK] = verdict;
    }
    return verdict === SELECTED;
  }

  /** Forgets what a namespace said about a slot, which is another policy's from now on. */
  forget(slot: Slot, namespace: NamespaceVerdicts): void {
    const chunk = namespace.verdicts[Math.floor(slot.index / CHUNK)];
    if (chunk !== undefined) chunk[slot.index % CHUNK] = 0;
    if (slot.anchor === undefined) namespace.residual = undefined;
  }

  #chooseAnchor(policy: Policy): Requirement | undefined {
    const requirements = anchorsOf(policy);
    let best: Requirement | undefined;
    let bestDemand = Number.POSITIVE_INFINITY;
    for (const requirement of requirements) {
      if (requirement.operator !== 'In') continue;
      const { key, values } = requirement;
      const demand = values.reduce((sum, value) => sum + this.#demandOf(key, value), 0);
      if (demand < bestDemand) [best, bestDemand] = [requirement, demand];
    }
    return best ?? requirements.find(({ operator }) => operator === 'Exists');
  }

  #places({ anchor }: Slot): readonly Set<Slot>[] {
    if (anchor === undefined) return [this.#residual];
    if (anchor.operator === 'Exists') return [getOrMake(this.#byKey, anchor.key, newSet)];
    const values = getOrMake(this.#byValue, anchor.key, () => new Map<string, Set<Slot>>());
    return [...new Set(anchor.values)].map((value) => getOrMake(values, value, newSet));
  }

  // Every key that is kept is looked for in every pod.
  #prune({ key, values }: Requirement): void {
    if (this.#byKey.get(key)?.size === 0) this.#byKey.delete(key);
    const byValue = this.#byValue.get(key);
    for (const value of values) if (byValue?.get(value)?.size === 0) byValue.delete(value);
    if (byValue?.size === 0) this.#byValue.delete(key);
  }

  #count(policy: Policy, by: 1 | -1): void {
    for (const { key, operator, values } of anchorsOf(policy)) {
      if (operator !== 'In') continue;
      for (const value of values) {
        const demand = this.#demandOf(key, value) + by;
        if (demand === 0) this.#demand.delete(demandKey(key, value));
        else this.#demand.set(demandKey(key, value), demand);
      }
    }
  }

  #demandOf(key: string, value: string): number {
    return this.#demand.get(demandKey(key, value)) ?? 0;
  }
}

export function newVerdicts(labels: JsonObject): NamespaceVerdicts {
  return { labels, verdicts: [], residual: undefined };
}

function anchorsOf({ entry, podSelector }: Policy): readonly Requirement[] {
  return entry?.anchors ?? podSelector?.requirements ?? [];
}

function demandKey(key: string, value: string): string {
  return `${key}=${value}`;
}

function newSet(): Set<Slot> {
  return new Set();
}

function getOrMake<K, V>(map: Map<K, V>, key: K, make: () => V): V {
  let value = map.get(key);
  if (value === undefined) {
    value = make();
    map.set(key, value);
  }
  return value;
}
