// Files beside the socket, for a pod whose annotations ask for them: which attributes its volume gets,
// and the memory that the node plugin writes into. The pod only reads there.

import {
  DEFAULT_FILES_VOLUME,
  FILES,
  FILES_VOLUME,
  FS_GROUP,
  JWT_AUDIENCE,
} from '../base/file-attributes.ts';
import { isJsonObject, type JsonObject, ownValue } from '../template/json-value.ts';
import type { AdmissionPod, AdmissionVolume } from './admission-pod.ts';
import type { InjectionTable } from './injection-table.ts';
import { formatField } from './json-path.ts';

export type FilesInjection = {
  /** Of the volume that is there or is added; undefined when the pod asks for no files. */
  readonly attributes: JsonObject | undefined;
  /** The `emptyDir` to mount; undefined without files. */
  readonly volumeName: string | undefined;
  /** Volumes that are not there yet. */
  readonly volumes: readonly JsonObject[];
  readonly warnings: readonly string[];
};

const NONE: FilesInjection = {
  attributes: undefined,
  volumeName: undefined,
  volumes: [],
  warnings: [],
};

export type FilesAsk = {
  /** The volume of the driver that the pod has already. */
  readonly existing: AdmissionVolume | undefined;
  readonly table: InjectionTable;
  /** Tokens that consumers need: asking for a consumer asks for files. */
  readonly consumers: { readonly count: number; readonly audiences: readonly string[] };
};

export function injectFiles(
  pod: AdmissionPod,
  { existing, table, consumers }: FilesAsk,
): FilesInjection {
  const own = readAsk(pod);
  const asks = { ...own, value: own.value || consumers.count > 0 };
  if (existing !== undefined) {
    const attributes = attributesOf(existing);
    const named = filesVolumeOf(attributes);
    if (named !== undefined) return { ...withVolume(pod, named, table), attributes };
    const field = formatField([...existing.path, 'csi', 'volumeAttributes']);
    return asks.value ? { ...NONE, warnings: [`${field}: has no ${FILES}, so no files`] } : NONE;
  }
  if (!asks.value) return { ...NONE, warnings: asks.warnings };
  const attributes = {
    ...annotationsFor(pod, table),
    [FILES]: 'true',
    ...groupOf(pod),
    ...audiencesOf(pod, consumers.audiences),
  };
  const warnings = Object.hasOwn(attributes, FS_GROUP) || !mayRunAsAnother(pod) ? [] : [NO_GROUP];
  return { ...withVolume(pod, DEFAULT_FILES_VOLUME, table), attributes, warnings };
}

const NO_GROUP = `${FILES}: without securityContext.fsGroup only root can read the keys`;

function readAsk({ annotations = {} }: AdmissionPod): { value: boolean; warnings: string[] } {
  const value = ownValue(annotations, FILES);
  if (value === 'true') return { value: true, warnings: [] };
  const isKnown = value === undefined || value === 'false';
  const field = formatField(['metadata', 'annotations', FILES]);
  return { value: false, warnings: isKnown ? [] : [`${field}: must be "true" or "false"`] };
}

// The author's own volume says by its attributes what it asks for, and so does ours on a second pass.
function attributesOf({ csi = {} }: AdmissionVolume): JsonObject {
  const value = ownValue(csi, 'volumeAttributes');
  return isJsonObject(value) ? value : {};
}

function filesVolumeOf(attributes: JsonObject): string | undefined {
  if (ownValue(attributes, FILES) !== 'true') return undefined;
  const named = ownValue(attributes, FILES_VOLUME);
  return typeof named === 'string' ? named : DEFAULT_FILES_VOLUME;
}

function audiencesOf({ annotations = {} }: AdmissionPod, more: readonly string[]): JsonObject {
  const own = ownValue(annotations, JWT_AUDIENCE);
  const all = [...(typeof own === 'string' && own !== '' ? [own] : []), ...more];
  return all.length === 0 ? {} : { [JWT_AUDIENCE]: all.join(',') };
}

function withVolume(pod: AdmissionPod, name: string, { files }: InjectionTable): FilesInjection {
  const isThere = pod.volumes?.some((volume) => volume.name === name) ?? false;
  const volumes = isThere ? [] : [{ name, ...files.volume }];
  return { ...NONE, volumeName: name, volumes };
}

function annotationsFor({ annotations = {} }: AdmissionPod, { files }: InjectionTable): JsonObject {
  const asked = files.annotations.map((name) => [name, ownValue(annotations, name)] as const);
  return Object.fromEntries(asked.flatMap(([name, value]) => (value ? [[name, value]] : [])));
}

function groupOf({ spec }: AdmissionPod): JsonObject {
  const context = ownValue(spec, 'securityContext');
  const group = isJsonObject(context) ? ownValue(context, 'fsGroup') : undefined;
  return typeof group === 'number' && group > 0 ? { [FS_GROUP]: String(group) } : {};
}

/** What the pod says of itself; an image may have another user all the same. */
function mayRunAsAnother({ spec }: AdmissionPod): boolean {
  const context = ownValue(spec, 'securityContext');
  if (!isJsonObject(context)) return false;
  const user = ownValue(context, 'runAsUser');
  return ownValue(context, 'runAsNonRoot') === true || (typeof user === 'number' && user !== 0);
}
