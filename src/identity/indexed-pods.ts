// The pods of the index, findable by namespace, node and the label keys that policies hang on.

import { addTo, type MultiMap, removeFrom } from '../base/multi-map.ts';
import type { Requirement } from '../crds/label-selector.ts';
import type { Candidate } from './candidate.ts';
import { indexedValue, isNodeOwned, type PodObject } from './objects.ts';
import type { RefusalReason } from './pod-identity.ts';
import { comparePreference } from './policy.ts';
import type { Fate, Winner } from './settle.ts';

export class IndexedPod {
  object: PodObject;
  /** What policies make of it, in order of preference; replaced, never changed. */
  candidates: readonly Candidate[] = [];
  /** What was settled last; they are `candidates` while it is settled. */
  settledCandidates: readonly Candidate[] = [];
  /** One for each settled candidate, in their order. */
  fates: readonly Fate[] = [];
  winners: readonly Winner[] = [];
  /** Why there are no winners, restrictions aside. */
  refusal: RefusalReason | '' = 'NoPolicy';
  isSettled = true;
  isNodeOwned: boolean;

  constructor(object: PodObject) {
    this.object = object;
    this.isNodeOwned = isNodeOwned(object);
  }

  /** Puts a candidate in the place of what another version of its policy made. */
  replaceCandidate(policy: Candidate['policy'], candidate: Candidate): void {
    const at = this.candidates.findIndex((other) => other.policy === policy);
    if (at !== -1 && comparePreference(policy, candidate.policy) === 0) {
      this.candidates = this.candidates.with(at, candidate);
      return;
    }
    this.candidates = this.candidates.filter((other) => other.policy !== policy);
    this.addCandidate(candidate);
  }

  addCandidate(candidate: Candidate): void {
    const { candidates } = this;
    const after = candidates.findIndex(
      (other) => comparePreference(other.policy, candidate.policy) > 0,
    );
    this.candidates =
      after === -1 ? [...candidates, candidate] : candidates.toSpliced(after, 0, candidate);
  }
}

export class IndexedPods {
  readonly #byUid = new Map<string, IndexedPod>();
  readonly #byNamespace: MultiMap<string, IndexedPod> = new Map();
  readonly #byNode: MultiMap<string, IndexedPod> = new Map();
  /** Key of a label or attribute → value → pods, for keys that were asked for. */
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
    if (known === undefined) return this.#add(new IndexedPod(object));
    const before = known.object;
    known.object = object;
    known.isNodeOwned = isNodeOwned(object);
    move(this.#byNamespace, known, [before.namespace, object.namespace]);
    move(this.#byNode, known, [before.nodeName || undefined, object.nodeName || undefined]);
    for (const [key, values] of this.#byLabel) {
      move(values, known, [indexedValue(before, key), indexedValue(object, key)]);
    }
    return known;
  }

  delete(uid: string): IndexedPod | undefined {
    const pod = this.#byUid.get(uid);
    if (pod !== undefined) this.#unlink(pod);
    this.#byUid.delete(uid);
    return pod;
  }

  #add(pod: IndexedPod): IndexedPod {
    const { object } = pod;
    this.#byUid.set(object.uid, pod);
    addTo(this.#byNamespace, object.namespace, pod);
    if (object.nodeName !== '') addTo(this.#byNode, object.nodeName, pod);
    for (const [key, values] of this.#byLabel) link(values, key, pod);
    return pod;
  }

  #unlink(pod: IndexedPod): void {
    const { object } = pod;
    const { namespace, nodeName } = object;
    removeFrom(this.#byNamespace, namespace, pod);
    removeFrom(this.#byNode, nodeName, pod);
    for (const [key, values] of this.#byLabel) {
      const value = indexedValue(object, key);
      if (value !== undefined) removeFrom(values, value, pod);
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
  const value = indexedValue(pod.object, key);
  if (value !== undefined) addTo(values, value, pod);
}

// What stays where it is must not be touched: big sets are slow to take out of and put back into.
function move(
  sets: MultiMap<string, IndexedPod>,
  pod: IndexedPod,
  [from, to]: readonly [string | undefined, string | undefined],
): void {
  if (from === to) return;
  if (from !== undefined) removeFrom(sets, from, pod);
  if (to !== undefined) addTo(sets, to, pod);
}

function* union(sets: Iterable<Iterable<IndexedPod>>): Iterable<IndexedPod> {
  for (const set of sets) yield* set;
}
