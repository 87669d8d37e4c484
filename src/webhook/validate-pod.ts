// Refuses a pod whose volumes of our driver could not be published or would break later, while its
// author still looks; and warns where an identity reaches further than the pod's author may think.

import { CodedError } from '../base/errors.ts';
import { fileAttributeError } from '../base/file-attributes.ts';
import { MAX_POD_VOLUMES } from '../base/volume-limits.ts';
import { type JsonValue, ownValue } from '../template/json-value.ts';
import { type AdmissionAnswer, answer } from './admission-answer.ts';
import {
  type AdmissionContainer,
  type AdmissionPod,
  type AdmissionPodRequest,
  type AdmissionVolume,
  driverVolumes,
  optionalObject,
  parseAdmissionPod,
} from './admission-pod.ts';
import { formatField, type JsonPath } from './json-path.ts';
import { debugMountErrors, judgeFiles } from './validate-files.ts';
import { SECRET_DISCOVERY, VOLUME_ATTRIBUTES } from './volume-attributes.ts';
import type { WebhookSettings } from './webhook-settings.ts';

/**
 * Whether a pod may be created, or get a debug container. Never throws, whatever the request holds.
 * What is stored is never refused again: volumes and mounts of a pod cannot change, and its
 * finalizers must come off.
 */
export function validatePod(
  request: AdmissionPodRequest,
  settings: WebhookSettings,
): AdmissionAnswer {
  const { operation, subresource } = request;
  try {
    if (subresource === 'ephemeralcontainers') return answer(debugErrors(request, settings), []);
    if (operation !== 'CREATE' || subresource !== '') return answer([], []);
    const pod = parseAdmissionPod(request.pod);
    const volumes = driverVolumes(pod, settings.driverName);
    if (volumes.length === 0) return answer([], []);
    const files = judgeFiles(pod, volumes);
    const errors = [
      ...countErrors(volumes),
      ...volumes.flatMap(volumeErrors),
      ...pod.containers.flatMap((container) => mountErrors(container, volumes)),
      ...files.errors,
    ];
    const shared = volumes.flatMap((volume) => sharedSecretWarnings(volume, pod));
    return answer(errors, [...podWarnings(pod), ...shared, ...files.warnings]);
  } catch (thrown) {
    if (thrown instanceof CodedError) return answer([thrown.message], []);
    throw thrown;
  }
}

/** Debug containers stay as they are once they are there: those that are added are judged. */
function debugErrors(
  { pod, oldPod }: AdmissionPodRequest,
  settings: WebhookSettings,
): readonly string[] {
  const changed = parseAdmissionPod(pod);
  const old = new Set(parseAdmissionPod(oldPod).ephemeralContainers.map(({ name }) => name));
  const added = changed.ephemeralContainers.filter(({ name }) => !old.has(name));
  return debugMountErrors(added, driverVolumes(changed, settings.driverName));
}

function countErrors(volumes: readonly AdmissionVolume[]): readonly string[] {
  const [tooMany] = volumes.slice(MAX_POD_VOLUMES);
  if (tooMany === undefined) return [];
  return [
    `${formatField(tooMany.path)}: a pod has at most ${MAX_POD_VOLUMES} volumes of this driver`,
  ];
}

/** The same rules that the node plugin has for what the kubelet makes of such a volume. */
function volumeErrors({ path, csi = {} }: AdmissionVolume): readonly string[] {
  const at = [...path, 'csi'];
  const errors: string[] = [];
  if (ownValue(csi, 'readOnly') !== true) {
    errors.push(`${formatField([...at, 'readOnly'])}: must be true`);
  }
  // The kubelet would read the Secret and hand it to the driver, which has no use for it.
  for (const unused of ['nodePublishSecretRef', 'fsType']) {
    const value = ownValue(csi, unused) ?? '';
    if (value !== '') errors.push(`${formatField([...at, unused])}: must not be set`);
  }
  const attributes = optionalObject(csi, [...at, 'volumeAttributes']) ?? {};
  for (const [name, value] of Object.entries(attributes)) {
    errors.push(...attributeErrors([...at, 'volumeAttributes', name], value));
  }
  return errors;
}

function attributeErrors(path: JsonPath, value: JsonValue | undefined): readonly string[] {
  const name = String(path.at(-1));
  const fileError = typeof value === 'string' ? fileAttributeError(name, value) : undefined;
  if (fileError === null) return [];
  if (fileError !== undefined) return [`${formatField(path)}: ${fileError}`];
  const allowed = VOLUME_ATTRIBUTES.get(name);
  if (allowed === undefined) return [`${formatField(path)}: unknown volume attribute`];
  if (typeof value === 'string' && allowed.includes(value)) return [];
  return [`${formatField(path)}: must be one of ${allowed.join(', ')}`];
}

/**
 * A part of the volume mounted by name is bound once and for all: it would not follow when the
 * socket is replaced, and a name that is not there the kubelet would make as a directory (KU-15).
 */
function mountErrors(
  { path, mounts = [] }: AdmissionContainer,
  volumes: readonly AdmissionVolume[],
): readonly string[] {
  const names = new Set(volumes.map(({ name }) => name));
  return mounts.flatMap((mount, index) => {
    if (!names.has(ownValue(mount, 'name'))) return [];
    const set = ['subPath', 'subPathExpr'].filter((field) => (ownValue(mount, field) ?? '') !== '');
    return set.map((field) => {
      const at = formatField([...path, 'volumeMounts', index, field]);
      return `${at}: must not be set on a volume with the Workload API`;
    });
  });
}

/** Secret discovery needs no security header: a program that can be talked into a request has the key. */
function sharedSecretWarnings(
  { path, name, csi = {} }: AdmissionVolume,
  { containers }: AdmissionPod,
): readonly string[] {
  const at = [...path, 'csi', 'volumeAttributes'];
  const attributes = optionalObject(csi, at) ?? {};
  if (ownValue(attributes, SECRET_DISCOVERY) !== 'true') return [];
  const mounting = containers.filter(({ mounts = [] }) =>
    mounts.some((mount) => ownValue(mount, 'name') === name),
  );
  if (mounting.length < 2) return [];
  const field = formatField([...at, SECRET_DISCOVERY]);
  return [
    `${field}: ${mounting.length} containers can read the key; mount it into the proxy alone`,
  ];
}

type Sandbox = { readonly runtimeClass: RegExp; readonly warning: string };

/** Runtime classes are named by each cluster; these are the names that sandboxes go by (KU-23). */
const SANDBOXES: readonly Sandbox[] = [
  {
    runtimeClass: /^(gvisor|runsc)($|-)/,
    warning: 'gVisor reaches the socket only when it runs with --host-uds=open',
  },
  {
    runtimeClass: /^(kata|firecracker)($|-)/,
    warning: 'a pod in a virtual machine cannot reach a Unix socket of its node',
  },
];

function podWarnings({ spec }: AdmissionPod): readonly string[] {
  const warnings: string[] = [];
  const runtimeClass = ownValue(spec, 'runtimeClassName');
  if (typeof runtimeClass === 'string') {
    const sandbox = SANDBOXES.find((each) => each.runtimeClass.test(runtimeClass));
    if (sandbox !== undefined) warnings.push(`spec.runtimeClassName: ${sandbox.warning}`);
  }
  if (ownValue(spec, 'shareProcessNamespace') === true) {
    warnings.push(
      'spec.shareProcessNamespace: a container without a mount may reach the socket through /proc',
    );
  }
  if (ownValue(spec, 'hostPID') === true) {
    warnings.push('spec.hostPID: as root this pod can reach the sockets of every pod on its node');
  }
  return warnings;
}
