// Gives a pod that asks for it the volume, the mounts and the variable through which its containers
// reach their identity. Pure; it only ever adds, a second pass over its own result adds nothing, and
// containers that another injector brings in between get theirs on the next pass.

import { CodedError } from '../base/errors.ts';
import { CONFLICTS_ANNOTATION } from '../base/pod-annotations.ts';
import type { JsonObject } from '../template/json-value.ts';
import {
  type AdmissionPod,
  type AdmissionPodRequest,
  type AdmissionVolume,
  driverVolumes,
  mountsAny,
  parseAdmissionPod,
} from './admission-pod.ts';
import {
  type Exclusion,
  type ExclusionReason,
  findNamespaceExclusion,
  findPodExclusion,
} from './exclusion.ts';
import { consumerAudiences, consumerVariables, readConsumers } from './inject-consumers.ts';
import { injectContainers } from './inject-containers.ts';
import { injectFiles } from './inject-files.ts';
import { type InjectionTable, injectionTable } from './injection-table.ts';
import { appendTo, type JsonPatchOperation } from './json-patch.ts';
import { formatPointer } from './json-path.ts';
import { asksForIstioSpire, type OptIn, readEphemeralOptIn, readOptIn } from './opt-in.ts';
import type { WebhookSettings } from './webhook-settings.ts';

export type InjectionReason =
  | 'Injected'
  | 'NothingToAdd'
  | 'NotApplicable'
  | 'Malformed'
  | Exclude<OptIn['reason'], 'Asked'>
  | ExclusionReason
  | 'MountedByAuthor'
  | 'VolumeNameTaken'
  | 'MountPathTaken'
  | 'NoVolume';

export type PodMutation = {
  /** RFC 6902; empty when the pod stays as it is. */
  readonly patch: readonly JsonPatchOperation[];
  readonly warnings: readonly string[];
  readonly reason: InjectionReason;
};

/** The volume of Istio's own template, which serves only its proxy. */
export const ISTIO_VOLUME = 'workload-socket';

/** What to add to the pod of an admission request. Never throws, whatever the request holds. */
export function mutatePod(request: AdmissionPodRequest, settings: WebhookSettings): PodMutation {
  const { operation, subresource } = request;
  try {
    if (operation === 'CREATE' && subresource === '') return mutateNewPod(request, settings);
    if (operation === 'UPDATE' && subresource === 'ephemeralcontainers') {
      return mutateEphemeralContainers(request, settings);
    }
    return untouched('NotApplicable');
  } catch (thrown) {
    if (thrown instanceof CodedError) return untouched('Malformed', [thrown.message]);
    throw thrown;
  }
}

function mutateNewPod(request: AdmissionPodRequest, settings: WebhookSettings): PodMutation {
  const pod = parseAdmissionPod(request.pod);
  const optIn = readOptIn(pod, request.namespace.labels);
  if (optIn.reason !== 'Asked') return untouched(optIn.reason, optIn.warnings);
  const excluded =
    findNamespaceExclusion(request.namespace.name, settings) ?? findPodExclusion(pod);
  const result = excluded === undefined ? inject(pod, settings.driverName) : leaveOut(excluded);
  return { ...result, warnings: [...optIn.warnings, ...result.warnings] };
}

function inject(pod: AdmissionPod, driverName: string): PodMutation {
  const table = injectionTable(driverName);
  const all = driverVolumes(pod, driverName);
  const authors = asksForIstioSpire(pod) ? all.filter(({ name }) => name !== ISTIO_VOLUME) : all;
  const marked = Object.hasOwn(pod.annotations ?? {}, table.annotation.name);
  // Authors who mount the driver themselves choose which containers get the identity.
  if (!marked && pod.containers.some((container) => mountsAny(container, authors))) {
    return untouched('MountedByAuthor');
  }
  const existing = pickVolume(authors, table);
  if (existing === undefined && pod.volumes?.some(({ name }) => name === table.volume.name)) {
    const warning = `not injected: volume ${table.volume.name} is not one of ${driverName}`;
    return untouched('VolumeNameTaken', [warning]);
  }
  const volumeName = existing ?? table.volume.name;
  const named = readConsumers(pod);
  const files = injectFiles(pod, {
    existing: authors.find(({ name }) => name === existing),
    table,
    consumers: { count: named.named.size, audiences: consumerAudiences(pod, named) },
  });
  const { variables, conflicts, ...consumers } = consumerVariables(pod, named, {
    attributes: files.attributes ?? {},
    directory: table.files.mount.mountPath,
  });
  const containers = injectContainers(pod.containers, {
    table,
    volumeName,
    driverVolumes: all,
    filesVolume: files.volumeName,
    variables,
  });
  const about = [...named.warnings, ...files.warnings, ...consumers.warnings];
  if (containers.patch.length === 0) return nothingToAdd(containers.warnings, about);
  const warnings = [...about, ...containers.warnings];
  const annotation = annotate(pod, [
    [table.annotation.name, table.annotation.value],
    ...(conflicts.length === 0 ? [] : [[CONFLICTS_ANNOTATION, conflicts.join(', ')] as const]),
  ]);
  const volumes = appendTo(
    ['spec', 'volumes'],
    pod.volumes?.map(({ json }) => json),
    [
      ...(existing === undefined ? [withAttributes(table, files.attributes)] : []),
      ...files.volumes,
    ],
  );
  return { patch: [...annotation, ...volumes, ...containers.patch], warnings, reason: 'Injected' };
}

function withAttributes({ volume }: InjectionTable, attributes: JsonObject | undefined) {
  if (attributes === undefined) return volume;
  return { ...volume, csi: { ...volume.csi, volumeAttributes: attributes } };
}

/**
 * Debug containers that are new in this request. Everything else is read from the stored pod: the
 * API server drops other changes that come with such a request, and refuses those to older ones.
 */
function mutateEphemeralContainers(
  request: AdmissionPodRequest,
  settings: WebhookSettings,
): PodMutation {
  const stored = parseAdmissionPod(request.oldPod);
  const { ephemeralContainers } = parseAdmissionPod(request.pod);
  const optIn = readEphemeralOptIn(stored);
  if (optIn !== 'Asked') return untouched(optIn);
  const excluded = findNamespaceExclusion(request.namespace.name, settings);
  if (excluded !== undefined) return leaveOut(excluded);
  const table = injectionTable(settings.driverName);
  const volumes = driverVolumes(stored, settings.driverName);
  const volumeName = pickVolume(volumes, table);
  if (volumeName === undefined) {
    return untouched('NoVolume', ['not injected: the pod has no volume with its identity']);
  }
  const before = new Set(stored.ephemeralContainers.map(({ name }) => name));
  const added = ephemeralContainers.filter(({ name }) => !before.has(name));
  const target = { table, volumeName, driverVolumes: volumes };
  const { patch, warnings } = injectContainers(added, target);
  return patch.length === 0 ? nothingToAdd(warnings) : { patch, warnings, reason: 'Injected' };
}

/** The name of the volume to mount: one named as ours before any other of the driver. */
function pickVolume(
  volumes: readonly AdmissionVolume[],
  table: InjectionTable,
): string | undefined {
  const names = volumes.map(({ name }) => name).filter((name) => typeof name === 'string');
  return names.find((name) => name === table.volume.name) ?? names[0];
}

/** Those that are not there yet. */
function annotate(
  { annotations }: AdmissionPod,
  wanted: readonly (readonly [string, string])[],
): readonly JsonPatchOperation[] {
  const path = ['metadata', 'annotations'];
  if (annotations === undefined) {
    return [{ op: 'add', path: formatPointer(path), value: Object.fromEntries(wanted) }];
  }
  return wanted
    .filter(([name]) => !Object.hasOwn(annotations, name))
    .map(([name, value]) => ({ op: 'add', path: formatPointer([...path, name]), value }));
}

function leaveOut({ reason, message }: Exclusion): PodMutation {
  return untouched(reason, [`not injected: ${message}`]);
}

function nothingToAdd(warnings: readonly string[], about: readonly string[] = []): PodMutation {
  const reason = warnings.length === 0 ? 'NothingToAdd' : 'MountPathTaken';
  return untouched(reason, [...about, ...warnings]);
}

function untouched(reason: InjectionReason, warnings: readonly string[] = []): PodMutation {
  return { patch: [], warnings, reason };
}
