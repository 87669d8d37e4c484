// Kubernetes objects as far as identities depend on them, read once from raw JSON. What comes from
// outside is read by own properties only: `constructor` is a legal label key.

import { invalid } from '../base/errors.ts';
import { isJsonObject, type JsonObject, type JsonValue, ownValue } from '../template/json-value.ts';

export type OwnerReference = {
  readonly kind: string;
  readonly name: string;
  readonly uid: string;
  readonly isController: boolean;
};

export type PodObject = {
  readonly uid: string;
  readonly namespace: string;
  readonly name: string;
  /** Empty while the pod is not scheduled. */
  readonly nodeName: string;
  readonly serviceAccount: string;
  readonly phase: string;
  /** When deletion was asked for, in milliseconds since the epoch. */
  readonly deletionRequestedAt: number | undefined;
  readonly deletionGraceSeconds: number;
  readonly owners: readonly OwnerReference[];
  readonly labels: JsonObject;
  /** What templates read. */
  readonly metadata: JsonObject;
  readonly spec: JsonObject;
};

export type NamespaceObject = { readonly name: string; readonly labels: JsonObject };

export type NodeObject = {
  readonly name: string;
  readonly uid: string;
  readonly metadata: JsonObject;
  readonly spec: JsonObject;
};

export type ServiceObject = {
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
  /** Undefined for a Service without a selector: whoever writes its slices chooses its pods. */
  readonly selector: JsonObject | undefined;
};

export type EndpointSliceObject = {
  readonly namespace: string;
  readonly name: string;
  readonly serviceName: string;
  /** The Service that owns the slice; empty when nothing does. */
  readonly ownerUid: string;
  readonly podUids: readonly string[];
};

const EMPTY: JsonObject = {};
const MIRROR = 'kubernetes.io/config.mirror';
const SERVICE_NAME = 'kubernetes.io/service-name';

export function readPod(raw: JsonValue): PodObject {
  const { object, metadata } = readObject(raw, 'Pod');
  const spec = objectIn(object, 'spec');
  const graceSeconds = numberIn(metadata, 'deletionGracePeriodSeconds');
  const deletedAt = timeIn(metadata, 'deletionTimestamp');
  return {
    uid: required(metadata, 'uid', 'Pod'),
    namespace: textIn(metadata, 'namespace') || 'default',
    name: required(metadata, 'name', 'Pod'),
    nodeName: textIn(spec, 'nodeName'),
    serviceAccount: textIn(spec, 'serviceAccountName') || 'default',
    phase: textIn(objectIn(object, 'status'), 'phase'),
    // The stored timestamp is the end of the grace period.
    deletionRequestedAt: deletedAt === undefined ? undefined : deletedAt - graceSeconds * 1000,
    deletionGraceSeconds: graceSeconds,
    owners: ownersIn(metadata),
    labels: objectIn(metadata, 'labels'),
    metadata,
    spec,
  };
}

export function readNamespace(raw: JsonValue): NamespaceObject {
  const { metadata } = readObject(raw, 'Namespace');
  return { name: required(metadata, 'name', 'Namespace'), labels: objectIn(metadata, 'labels') };
}

export function readNode(raw: JsonValue): NodeObject {
  const { object, metadata } = readObject(raw, 'Node');
  return {
    name: required(metadata, 'name', 'Node'),
    uid: textIn(metadata, 'uid'),
    metadata,
    spec: objectIn(object, 'spec'),
  };
}

export function readService(raw: JsonValue): ServiceObject {
  const { object, metadata } = readObject(raw, 'Service');
  const selector = ownValue(objectIn(object, 'spec'), 'selector');
  return {
    namespace: textIn(metadata, 'namespace') || 'default',
    name: required(metadata, 'name', 'Service'),
    uid: textIn(metadata, 'uid'),
    selector: isJsonObject(selector) && Object.keys(selector).length > 0 ? selector : undefined,
  };
}

export function readEndpointSlice(raw: JsonValue): EndpointSliceObject {
  const { object, metadata } = readObject(raw, 'EndpointSlice');
  const endpoints = ownValue(object, 'endpoints');
  const targets = Array.isArray(endpoints) ? endpoints : [];
  return {
    namespace: textIn(metadata, 'namespace') || 'default',
    name: required(metadata, 'name', 'EndpointSlice'),
    serviceName: textIn(objectIn(metadata, 'labels'), SERVICE_NAME),
    ownerUid: ownersIn(metadata).find(({ kind }) => kind === 'Service')?.uid ?? '',
    podUids: targets.flatMap((endpoint: JsonValue) => {
      const target = isJsonObject(endpoint) ? objectIn(endpoint, 'targetRef') : EMPTY;
      const uid = textIn(target, 'uid');
      return textIn(target, 'kind') === 'Pod' && uid !== '' ? [uid] : [];
    }),
  };
}

/**
 * Whether a kubelet made the pod, for itself: such a pod is whatever its node says it is, so it gets
 * no identity.
 */
export function isNodeOwned(pod: PodObject): boolean {
  return (
    Object.hasOwn(objectIn(pod.metadata, 'annotations'), MIRROR) ||
    pod.owners.some(({ kind }) => kind === 'Node')
  );
}

/** Whether nothing has changed that a template could read, whatever else the kubelet reports. */
export function isSameNode(a: NodeObject, b: NodeObject): boolean {
  return JSON.stringify(readable(a)) === JSON.stringify(readable(b));
}

export function isSameLabels(a: JsonObject, b: JsonObject): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}

/**
 * What a pod has under a key that policies hang on: a label, or, by a key that no label can have, an
 * attribute that selectors of static entries name.
 */
export function indexedValue(pod: PodObject, key: string): string | undefined {
  const { labels } = pod;
  if (key.startsWith(':')) return ATTRIBUTES.get(key)?.(pod);
  return Object.hasOwn(labels, key) ? (labels[key] as string) : undefined;
}

export const POD_UID = ':uid';
export const POD_NAME = ':name';
export const POD_NAMESPACE = ':namespace';
export const POD_ACCOUNT = ':account';
/** `namespace/name` of the ServiceAccount. */
export const POD_FULL_ACCOUNT = ':full-account';
export const POD_NODE = ':node';

const ATTRIBUTES: ReadonlyMap<string, (pod: PodObject) => string> = new Map([
  [POD_UID, ({ uid }) => uid],
  [POD_NAME, ({ name }) => name],
  [POD_NAMESPACE, ({ namespace }) => namespace],
  [POD_ACCOUNT, ({ serviceAccount }) => serviceAccount],
  [POD_FULL_ACCOUNT, ({ namespace, serviceAccount }) => `${namespace}/${serviceAccount}`],
  [POD_NODE, ({ nodeName }) => nodeName],
] satisfies [string, (pod: PodObject) => string][]);

function readable({ uid, metadata, spec }: NodeObject): JsonObject {
  return { uid, labels: metadata['labels'], annotations: metadata['annotations'], spec };
}

function readObject(raw: JsonValue, kind: string): { object: JsonObject; metadata: JsonObject } {
  if (!isJsonObject(raw)) throw invalid(`${kind}: not an object`);
  return { object: raw, metadata: objectIn(raw, 'metadata') };
}

function required(metadata: JsonObject, key: string, kind: string): string {
  const value = textIn(metadata, key);
  if (value === '') throw invalid(`${kind}: metadata.${key} is missing`);
  return value;
}

function ownersIn(metadata: JsonObject): readonly OwnerReference[] {
  const references = ownValue(metadata, 'ownerReferences');
  if (!Array.isArray(references)) return [];
  return references.filter(isJsonObject).map((reference) => ({
    kind: textIn(reference, 'kind'),
    name: textIn(reference, 'name'),
    uid: textIn(reference, 'uid'),
    isController: ownValue(reference, 'controller') === true,
  }));
}

/** A member that is an object; anything else counts as an empty one. */
export function objectIn(object: JsonObject, key: string): JsonObject {
  const value = ownValue(object, key);
  return isJsonObject(value) ? value : EMPTY;
}

/** A member that is a string; anything else counts as ''. */
export function textIn(object: JsonObject, key: string): string {
  const value = ownValue(object, key);
  return typeof value === 'string' ? value : '';
}

function numberIn(object: JsonObject, key: string): number {
  const value = ownValue(object, key);
  return typeof value === 'number' ? value : 0;
}

function timeIn(object: JsonObject, key: string): number | undefined {
  const time = Date.parse(textIn(object, key));
  return Number.isNaN(time) ? undefined : time;
}
