// Plays the API server's storage: takes the whole set of objects that manifests stand for, admits
// what is new or changed, and says what changed. An edit that is refused leaves what was accepted
// before.

import type { IdentityKind, ObjectChange } from '../identity/identity-view.ts';
import { objectIn } from '../identity/objects.ts';
import { type JsonObject, ownValue } from '../template/json-value.ts';
import { type AdmissionOptions, admit } from './admission.ts';
import { type ClusterObject, clusterObjects, keyOfObject } from './cluster-objects.ts';
import type { ManifestObject } from './read-manifests.ts';

export type StoreChanges = {
  readonly changes: readonly ObjectChange[];
  /** What admission says of objects that are new or changed, one line each, naming the field. */
  readonly notices: readonly string[];
  /** What is wrong with the set as a whole, for as long as it is so. */
  readonly warnings: readonly string[];
};

type Stored = {
  /** The object as it was asked for: asked for again, it is not judged again. */
  readonly asked: string;
  readonly item: ClusterObject;
  /** Undefined: every version so far was refused. */
  readonly object: JsonObject | undefined;
};

export class DevStore {
  readonly #options: Omit<AdmissionOptions, 'namespaceLabels'>;
  readonly #stored = new Map<string, Stored>();

  constructor(options: Omit<AdmissionOptions, 'namespaceLabels'>) {
    this.#options = options;
  }

  /** The accepted objects of a kind. */
  *objects(kind: IdentityKind): Iterable<JsonObject> {
    for (const { item, object } of this.#stored.values()) {
      if (item.kind === kind && object !== undefined) yield object;
    }
  }

  /** Makes the store hold what these manifests stand for. */
  apply(manifests: readonly ManifestObject[]): StoreChanges {
    const { objects, warnings } = clusterObjects(manifests);
    const notices: string[] = [];
    const changes: ObjectChange[] = [];
    const named = new Set(objects.map(keyOfObject));
    for (const [key, { item, object }] of this.#stored) {
      if (named.has(key)) continue;
      this.#stored.delete(key);
      if (object !== undefined) changes.push(changeOf(item, undefined));
    }
    const byDependency = objects.toSorted((a, b) => rank(a.kind) - rank(b.kind));
    for (const item of byDependency) {
      const change = this.#applyOne(item, notices);
      if (change !== undefined) changes.push(change);
    }
    return { changes, notices, warnings };
  }

  #applyOne(item: ClusterObject, notices: string[]): ObjectChange | undefined {
    const key = keyOfObject(item);
    const known = this.#stored.get(key);
    const kept = keepBirth(item, known?.object);
    // Injection depends on the namespace's labels as well.
    const asked = JSON.stringify([kept.object, this.#namespaceLabels(item.namespace)]);
    if (known?.asked === asked) return undefined;
    const { object, errors, warnings } = admit(kept, known?.object, {
      ...this.#options,
      namespaceLabels: (namespace) => this.#namespaceLabels(namespace),
    });
    const where = `${item.source}: ${key}`;
    for (const warning of warnings) notices.push(`${where}: ${warning}`);
    for (const error of errors) notices.push(`${where}: refused: ${error}`);
    this.#stored.set(key, { asked, item: kept, object: object ?? known?.object });
    if (object === undefined || isSame(object, known?.object)) return undefined;
    return changeOf(kept, object);
  }

  #namespaceLabels(namespace: string): JsonObject {
    const stored = this.#stored.get(`Namespace ${namespace}`);
    return objectIn(objectIn(stored?.object ?? {}, 'metadata'), 'labels');
  }
}

function changeOf(item: ClusterObject, object: JsonObject | undefined): ObjectChange {
  return { kind: item.kind, namespace: item.namespace, name: item.name, object };
}

/** Namespaces first: what is in them is judged by their labels. */
function rank(kind: IdentityKind): number {
  return kind === 'Namespace' ? 0 : 1;
}

/** An object that is known keeps its time of creation and counts its generations. */
function keepBirth(item: ClusterObject, stored: JsonObject | undefined): ClusterObject {
  if (stored === undefined) return withMetadata(item, { generation: 1 });
  const before = objectIn(stored, 'metadata');
  const generation = Number(ownValue(before, 'generation') ?? 1);
  const isEdited = !isSame(objectIn(item.object, 'spec'), objectIn(stored, 'spec'));
  return withMetadata(item, {
    creationTimestamp: before['creationTimestamp'],
    generation: isEdited && item.kind !== 'Pod' ? generation + 1 : generation,
  });
}

function withMetadata(item: ClusterObject, metadata: JsonObject): ClusterObject {
  const object = item.object;
  return {
    ...item,
    object: { ...object, metadata: { ...objectIn(object, 'metadata'), ...metadata } },
  };
}

function isSame(a: JsonObject, b: JsonObject | undefined): boolean {
  return b !== undefined && JSON.stringify(a) === JSON.stringify(b);
}
