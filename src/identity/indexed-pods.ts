// The pods of the index, findable by namespace, node and the label keys that policies hang on.

import { addTo, type MultiMap, removeFrom } from '../base/multi-map.ts';
import type { Requirement } from '../crds/label-selector.ts';
import type { Candidate } from './candidate.ts';
import { isNodeOwned, type PodObject } from './objects.ts';
import type { RefusalReason } from './pod-identity.ts';
import type { Fate, Winner } from './settle.ts';

export class IndexedPod {
  object: PodObject;
  /** What policies make of it, in no order. */
  candidates: Candidate[] = [];
  fates: readonly Fate[] = [];
  winners: readonly Winner[] = [];
  /** Why there are no winners, restrictions aside. */
  refusal: RefusalReason | '' = 'NoPolicy';
  isSettled = true;

  constructor(object: PodObject) {
    this.object = object;
  }

  get isNodeOwned(): boolean {
    return isNodeOwned(this.object);
  }
}

export class IndexedPods {
  readonly #byUid = new Map<string, IndexedPod>();
  readonly #byNamespace: MultiMap<string, IndexedPod> = new Map();
  readonly #byNode: MultiMap<string, IndexedPod> = new Map();
  /** Label key → value → pods, for keys that were asked for. */
  readonly #byLabel = new Map<string, MultiMap<string, IndexedPod>>();

  get all(): Iterable<IndexedPod> {
    return this.#byUid.values();
  }

  get(uid: string): IndexedPod | undefined {
    return this.#byUid.get(uid);
  }

  inNamespace(name: string): Iterable<IndexedPod> {
    return this.#byNamespace.get(name) ?? [];
  }

  onNode(name: string): Iterable<IndexedPod> {
    return this.#byNode.get(name) ?? [];
  }

  /** The pods that meet a requirement that a policy hangs on; a superset where it is undefined. */
  meeting(anchor: Requirement | undefined): Iterable<IndexedPod> {
    if (anchor === undefined) return this.all;
    const values = this.#postings(anchor.key);
    if (anchor.operator === 'Exists') return union(values.values());
    const [first = '', ...more] = new Set(anchor.values);
    if (more.length === 0) return values.get(first) ?? [];
    return union([first, ...more].map((value) => values.get(value) ?? []));
  }

  /** Adds a pod, or gives a known one its new object. */
  set(object: PodObject): IndexedPod {
    const known = this.#byUid.get(object.uid);
    const pod = known ?? new IndexedPod(object);
    if (known !== undefined) this.#unlink(known);
    pod.object = object;
    this.#byUid.set(object.uid, pod);
    addTo(this.#byNamespace, object.namespace, pod);
    if (object.nodeName !== '') addTo(this.#byNode, object.nodeName, pod);
    for (const [key, values] of this.#byLabel) link(values, key, pod);
    return pod;
  }

  delete(uid: string): IndexedPod | undefined {
    const pod = this.#byUid.get(uid);
    if (pod !== undefined) this.#unlink(pod);
    this.#byUid.delete(uid);
    return pod;
  }

  #unlink(pod: IndexedPod): void {
    const { namespace, nodeName, labels } = pod.object;
    removeFrom(this.#byNamespace, namespace, pod);
    removeFrom(this.#byNode, nodeName, pod);
    for (const [key, values] of this.#byLabel) {
      if (Object.hasOwn(labels, key)) removeFrom(values, labels[key] as string, pod);
    }
  }

  #postings(key: string): MultiMap<string, IndexedPod> {
    let values = this.#byLabel.get(key);
    if (values === undefined) {
      values = new Map();
      for (const pod of this.all) link(values, key, pod);
      this.#byLabel.set(key, values);
    }
    return values;
  }
}

function link(values: MultiMap<string, IndexedPod>, key: string, pod: IndexedPod): void {
  const { labels } = pod.object;
  if (Object.hasOwn(labels, key)) addTo(values, labels[key] as string, pod);
}

function* union(sets: Iterable<Iterable<IndexedPod>>): Iterable<IndexedPod> {
  for (const set of sets) yield* set;
}
