// What a cluster would hold for a set of manifests: workloads become pods, what a cluster adds by
// itself is added (namespaces, one node, endpoint slices, UIDs, times), the rest is left out by name.

import { CodedError } from '../base/errors.ts';
import type { IdentityKind } from '../identity/identity-view.ts';
import { objectIn, textIn } from '../identity/objects.ts';
import { type JsonObject, ownValue } from '../template/json-value.ts';
import { isIdentityObject, isWorkload } from './kinds.ts';
import type { ManifestObject } from './read-manifests.ts';
import { podsOf, uidOf } from './workloads.ts';

export const DEV_NODE = 'dev';

/** An object that admission has yet to see. */
export type ClusterObject = ManifestObject & { readonly kind: IdentityKind };

export type ClusterObjects = {
  readonly objects: readonly ClusterObject[];
  readonly warnings: readonly string[];
};

/** Kinds that people write beside the others and that nothing here depends on. */
const HARMLESS: ReadonlySet<string> = new Set([
  'AccessPolicy',
  'ServiceAccount',
  'ClusterFederatedTrustDomain',
]);
const NAMESPACED: ReadonlySet<string> = new Set(['Pod', 'Service', 'EndpointSlice']);
/** Time goes by one second an object: the order of files is the order of creation. */
const FIRST_CREATION = Date.UTC(2000, 0, 1);

/** The objects in the order of creation; `manifests` come in the order of their files. */
export function clusterObjects(manifests: readonly ManifestObject[]): ClusterObjects {
  const warnings: string[] = [];
  const skipped = new Map<string, string>();
  const objects: ClusterObject[] = [];
  for (const manifest of manifests) {
    const placed = place(manifest);
    try {
      const made = isWorkload(placed) ? podsOf(placed) : [placed];
      for (const each of made) {
        if (isIdentityObject(each)) objects.push(each);
        else if (!HARMLESS.has(each.kind)) skipped.set(nameOfKind(each), each.source);
      }
    } catch (thrown) {
      warnings.push(CodedError.from(thrown).message);
    }
  }
  for (const [kind, source] of skipped)
    warnings.push(`${source}: skipped, kind ${kind} is not played here`);
  const all = [...implied(objects), ...unique(objects, warnings)];
  return { objects: [...all, ...slicesFor(all)].map(born), warnings };
}

function place(manifest: ManifestObject): ManifestObject {
  const isNamespaced =
    (isIdentityObject(manifest) && NAMESPACED.has(manifest.kind)) || isWorkload(manifest);
  return { ...manifest, namespace: isNamespaced ? manifest.namespace || 'default' : '' };
}

/** `Secret`, or `serving.knative.dev/v1 Service`. */
function nameOfKind({ apiVersion, kind }: ManifestObject): string {
  return apiVersion.includes('/') ? `${apiVersion} ${kind}` : kind;
}

function unique(objects: readonly ClusterObject[], warnings: string[]): readonly ClusterObject[] {
  const first = new Map<string, ClusterObject>();
  for (const object of objects) {
    const key = keyOfObject(object);
    const known = first.get(key);
    if (known === undefined) first.set(key, object);
    else
      warnings.push(`${object.source}: ${key} is in ${known.source} already; this one is ignored`);
  }
  return [...first.values()];
}

/** Namespaces that are only spoken of, and the node that everything runs on. */
function implied(objects: readonly ClusterObject[]): readonly ClusterObject[] {
  const known = new Set(objects.map(keyOfObject));
  const names = new Set(objects.map(({ namespace }) => namespace).filter((name) => name !== ''));
  const namespaces = [...names].toSorted().map((name) => make('Namespace', name));
  return [make('Node', DEV_NODE), ...namespaces].filter(
    (object) => !known.has(keyOfObject(object)),
  );
}

/** Plays the endpoint slice controller for Services with a selector. */
function slicesFor(objects: readonly ClusterObject[]): readonly ClusterObject[] {
  const pods = objects.filter(({ kind }) => kind === 'Pod');
  return objects
    .filter(({ kind }) => kind === 'Service')
    .flatMap((service) => {
      const selector = Object.entries(objectIn(objectIn(service.object, 'spec'), 'selector'));
      if (selector.length === 0) return [];
      const targets = pods.filter(({ namespace, object }) => {
        const labels = objectIn(objectIn(object, 'metadata'), 'labels');
        const isSelected = selector.every(([key, value]) => ownValue(labels, key) === value);
        return namespace === service.namespace && isSelected;
      });
      return [sliceOf(service, targets)];
    });
}

function sliceOf(service: ClusterObject, targets: readonly ClusterObject[]): ClusterObject {
  const { namespace, name, source } = service;
  const metadata = {
    name: `${name}-dev`,
    namespace,
    labels: { 'kubernetes.io/service-name': name },
    ownerReferences: [{ kind: 'Service', name, uid: uidOf('Service', namespace, name) }],
  };
  const endpoints = targets.map((pod) => ({
    targetRef: { kind: 'Pod', name: pod.name, uid: uidOf('Pod', namespace, pod.name) },
  }));
  const apiVersion = 'discovery.k8s.io/v1';
  const object = { apiVersion, kind: 'EndpointSlice', metadata, endpoints };
  return { apiVersion, kind: 'EndpointSlice', namespace, name: metadata.name, object, source };
}

function make(kind: 'Namespace' | 'Node', name: string): ClusterObject {
  const object = { apiVersion: 'v1', kind, metadata: { name } };
  return { apiVersion: 'v1', kind, namespace: '', name, object, source: 'implied' };
}

// What the API server fills in.
function born(item: ClusterObject, order: number): ClusterObject {
  const { kind, namespace, name, object } = item;
  const given = objectIn(object, 'metadata');
  const created = new Date(FIRST_CREATION + order * 1000).toISOString().replace('.000', '');
  const metadata: JsonObject = {
    ...given,
    ...(namespace === '' ? {} : { namespace }),
    // As the API server does, whatever a manifest says: other objects are made to agree with it.
    uid: uidOf(kind, namespace, name),
    creationTimestamp: textIn(given, 'creationTimestamp') || created,
    labels:
      kind === 'Namespace'
        ? { ...objectIn(given, 'labels'), [NAME_LABEL]: name }
        : objectIn(given, 'labels'),
  };
  const born = { ...object, metadata };
  return { ...item, object: kind === 'Pod' ? runningPod(born) : born };
}

const NAME_LABEL = 'kubernetes.io/metadata.name';

/** A pod that was scheduled and started. */
function runningPod(pod: JsonObject): JsonObject {
  const spec = objectIn(pod, 'spec');
  return {
    ...pod,
    spec: {
      ...spec,
      // Everything runs on this machine, whatever a manifest says.
      nodeName: DEV_NODE,
      serviceAccountName: textIn(spec, 'serviceAccountName') || 'default',
    },
    status: { phase: 'Running' },
  };
}

export function keyOfObject({ kind, namespace, name }: ClusterObject): string {
  return namespace === '' ? `${kind} ${name}` : `${kind} ${namespace}/${name}`;
}
