// Refuses a pod whose files could not be written, or would be where more than the pod's reading is
// possible: the volume that they are in must be memory, and mounted to be read.

import { CodedError } from '../base/errors.ts';
import { FILES_VOLUME, fileAttributeError, readFileRequest } from '../base/file-attributes.ts';
import { isJsonObject, type JsonObject, ownValue } from '../template/json-value.ts';
import type { AdmissionContainer, AdmissionPod, AdmissionVolume } from './admission-pod.ts';
import { formatField } from './json-path.ts';

export type FilesFindings = {
  readonly errors: readonly string[];
  readonly warnings: readonly string[];
};

/** `volumes` are those of our driver. Attributes that are wrong by themselves are not judged here. */
export function judgeFiles(pod: AdmissionPod, volumes: readonly AdmissionVolume[]): FilesFindings {
  const errors: string[] = [];
  const warnings: string[] = [];
  const taken = new Set<string>();
  for (const volume of volumes) {
    const at = [...volume.path, 'csi', 'volumeAttributes'];
    try {
      const name = readFileRequest(soundAttributes(volume))?.volume;
      if (name === undefined) continue;
      if (taken.has(name))
        errors.push(`${formatField([...at, FILES_VOLUME])}: another volume has it`);
      taken.add(name);
      const place = pod.volumes?.find((each) => each.name === name);
      if (place === undefined) errors.push(`spec.volumes: ${name} is missing, ${HOLDER}`);
      else if (!isMemory(place)) warnings.push(onDisk(place));
      errors.push(...pod.containers.flatMap((container) => mountErrors(container, name)));
    } catch (thrown) {
      errors.push(`${formatField(at)}: ${CodedError.from(thrown).message}`);
    }
  }
  return { errors, warnings };
}

/** What debug containers that are added to a running pod may not have. */
export function debugMountErrors(
  added: readonly AdmissionContainer[],
  volumes: readonly AdmissionVolume[],
): readonly string[] {
  const names = volumes.map((volume) => filesVolumeOf(volume)).filter((name) => name !== undefined);
  return names.flatMap((name) => added.flatMap((container) => mountErrors(container, name)));
}

// What is wrong with a pod that runs was said when it was made.
function filesVolumeOf(volume: AdmissionVolume): string | undefined {
  try {
    return readFileRequest(soundAttributes(volume))?.volume;
  } catch {
    return undefined;
  }
}

const HOLDER = 'an emptyDir with medium: Memory to hold the files';

function soundAttributes({ csi = {} }: AdmissionVolume): Readonly<Record<string, string>> {
  const value = ownValue(csi, 'volumeAttributes');
  const pairs = isJsonObject(value) ? Object.entries(value) : [];
  return Object.fromEntries(
    pairs.filter(
      (pair): pair is [string, string] =>
        typeof pair[1] === 'string' && fileAttributeError(pair[0], pair[1]) === null,
    ),
  );
}

function isMemory({ json }: AdmissionVolume): boolean {
  const emptyDir = ownValue(json, 'emptyDir');
  return isJsonObject(emptyDir) && ownValue(emptyDir, 'medium') === 'Memory';
}

function onDisk({ path }: AdmissionVolume): string {
  const field = formatField([...path, 'emptyDir', 'medium']);
  return `${field}: is not Memory; no keys are written there unless nodes allow keys on their disk`;
}

// A part of it mounted by name would not follow when the files are exchanged.
function mountErrors({ path, mounts = [] }: AdmissionContainer, name: string): readonly string[] {
  return mounts.flatMap((mount: JsonObject, index) => {
    if (ownValue(mount, 'name') !== name) return [];
    const at = [...path, 'volumeMounts', index];
    const isSet = (field: string) => (ownValue(mount, field) ?? '') !== '';
    return [
      ...(ownValue(mount, 'readOnly') === true
        ? []
        : [`${formatField([...at, 'readOnly'])}: must be true where files with keys are`]),
      ...['subPath', 'subPathExpr']
        .filter(isSet)
        .map((field) => `${formatField([...at, field])}: must not be set where files are`),
    ];
  });
}
