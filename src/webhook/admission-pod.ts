// The parts of a pod that admission looks at, read once from the JSON of a request. What is here has
// the shape Kubernetes gives it, so deciding and patching need no further checks.

import { invalid } from '../base/errors.ts';
import { isJsonObject, type JsonObject, type JsonValue, ownValue } from '../template/json-value.ts';
import { formatField, type JsonPath } from './json-path.ts';

export type AdmissionPodRequest = {
  readonly operation: string;
  /** `''` for the pod itself, or `ephemeralcontainers`. */
  readonly subresource: string;
  /** The request's namespace: a new pod's own metadata may not name it yet. */
  readonly namespace: { readonly name: string; readonly labels: JsonObject };
  readonly pod: JsonValue;
  /** The stored pod that an UPDATE changes; null for a CREATE. */
  readonly oldPod: JsonValue;
};

export type AdmissionPod = {
  readonly labels: JsonObject;
  readonly annotations: JsonObject | undefined;
  readonly spec: JsonObject;
  readonly volumes: readonly AdmissionVolume[] | undefined;
  /** Init containers, native sidecars among them, and then the ordinary ones. */
  readonly containers: readonly AdmissionContainer[];
  readonly ephemeralContainers: readonly AdmissionContainer[];
};

export type AdmissionVolume = {
  readonly path: JsonPath;
  readonly json: JsonObject;
  readonly name: JsonValue | undefined;
  readonly csi: JsonObject | undefined;
};

export type AdmissionContainer = {
  readonly path: JsonPath;
  readonly name: JsonValue | undefined;
  readonly mounts: readonly JsonObject[] | undefined;
  readonly env: readonly JsonObject[] | undefined;
  /** Whether it has variables that nobody sees here. */
  readonly hasEnvFrom: boolean;
};

/** Reads a pod; throws `invalid-argument` naming the field that has not the shape of a pod's. */
export function parseAdmissionPod(value: JsonValue): AdmissionPod {
  if (!isJsonObject(value)) throw invalid('pod: must be an object');
  const metadata = requiredObject(value, ['metadata']);
  const spec = requiredObject(value, ['spec']);
  return {
    labels: optionalObject(metadata, ['metadata', 'labels']) ?? {},
    annotations: optionalObject(metadata, ['metadata', 'annotations']),
    spec,
    volumes: optionalObjects(spec, ['spec', 'volumes'])?.map(parseVolume),
    containers: [
      ...parseContainers(spec, 'initContainers'),
      ...parseContainers(spec, 'containers'),
    ],
    ephemeralContainers: parseContainers(spec, 'ephemeralContainers'),
  };
}

/** The volumes of the pod that our driver provides. */
export function driverVolumes(pod: AdmissionPod, driverName: string): readonly AdmissionVolume[] {
  const volumes = pod.volumes ?? [];
  return volumes.filter(({ csi }) => csi !== undefined && ownValue(csi, 'driver') === driverName);
}

/** Whether a container mounts any of these volumes. */
export function mountsAny(
  container: AdmissionContainer,
  volumes: readonly AdmissionVolume[],
): boolean {
  const names = new Set(volumes.map((volume) => volume.name));
  return (container.mounts ?? []).some((mount) => names.has(ownValue(mount, 'name')));
}

function parseVolume(json: JsonObject, index: number): AdmissionVolume {
  const path = ['spec', 'volumes', index];
  const csi = optionalObject(json, [...path, 'csi']);
  return { path, json, name: ownValue(json, 'name'), csi };
}

function parseContainers(spec: JsonObject, list: string): readonly AdmissionContainer[] {
  const containers = optionalObjects(spec, ['spec', list]) ?? [];
  return containers.map((json, index) => {
    const path = ['spec', list, index];
    return {
      path,
      name: ownValue(json, 'name'),
      mounts: optionalObjects(json, [...path, 'volumeMounts']),
      env: optionalObjects(json, [...path, 'env']),
      hasEnvFrom: (optionalObjects(json, [...path, 'envFrom']) ?? []).length > 0,
    };
  });
}

/** The member of `parent` that the last token of `path` names; JSON's null counts as absent. */
function memberOf(parent: JsonObject, path: JsonPath): JsonValue | undefined {
  return ownValue(parent, String(path.at(-1))) ?? undefined;
}

function requiredObject(parent: JsonObject, path: JsonPath): JsonObject {
  const object = optionalObject(parent, path);
  if (object === undefined) throw invalid(`${formatField(path)}: missing`);
  return object;
}

/** Also for readers of what lies deeper: `path` ends with the member's name. */
export function optionalObject(parent: JsonObject, path: JsonPath): JsonObject | undefined {
  const value = memberOf(parent, path);
  if (value === undefined || isJsonObject(value)) return value;
  throw invalid(`${formatField(path)}: must be an object`);
}

function optionalObjects(parent: JsonObject, path: JsonPath): readonly JsonObject[] | undefined {
  const value = memberOf(parent, path);
  if (value === undefined) return undefined;
  if (!Array.isArray(value)) throw invalid(`${formatField(path)}: must be a list`);
  const items: readonly JsonValue[] = value;
  return items.map((item, index) => {
    if (isJsonObject(item)) return item;
    throw invalid(`${formatField([...path, index])}: must be an object`);
  });
}
