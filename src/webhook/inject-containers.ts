// The part of injection that is the same for every kind of container: a mount and a variable for each
// that has none, and never anything over what its author wrote.

import { posix } from 'node:path';
import { type JsonObject, ownValue } from '../template/json-value.ts';
import { type AdmissionContainer, type AdmissionVolume, mountsAny } from './admission-pod.ts';
import type { InjectionTable } from './injection-table.ts';
import { appendTo, type JsonPatchOperation } from './json-patch.ts';
import { formatField } from './json-path.ts';

export type ContainerTarget = {
  readonly table: InjectionTable;
  /** The volume to mount. */
  readonly volumeName: string;
  /** Every volume of the driver: a container that mounts one of them is served already. */
  readonly driverVolumes: readonly AdmissionVolume[];
  /** The volume that files are in, if the pod has them. */
  readonly filesVolume?: string | undefined;
  /** Variables that name those files. */
  readonly variables?: readonly JsonObject[];
};

export type ContainerInjection = {
  readonly patch: readonly JsonPatchOperation[];
  /** One for each container that cannot be served. */
  readonly warnings: readonly string[];
};

export function injectContainers(
  containers: readonly AdmissionContainer[],
  target: ContainerTarget,
): ContainerInjection {
  const { mount, files } = target.table;
  const unserved = containers.filter((each) => !mountsAny(each, target.driverVolumes));
  const taken = unserved.filter((each) => hasMountAt(each, mount.mountPath));
  const free = unserved.filter((each) => !taken.includes(each));
  const hasFiles = target.filesVolume !== undefined;
  const withoutFiles = free.filter((each) => hasFiles && hasMountAt(each, files.mount.mountPath));
  return {
    patch: free.flatMap((each) => injectContainer(each, target, withoutFiles.includes(each))),
    warnings: [
      ...taken.map((each) => `${isTaken(each, mount.mountPath)}, so the container gets no socket`),
      ...withoutFiles.map(
        (each) => `${isTaken(each, files.mount.mountPath)}, so the container gets no files`,
      ),
    ],
  };
}

function isTaken({ path }: AdmissionContainer, mountPath: string): string {
  return `${formatField([...path, 'volumeMounts'])}: ${mountPath} is taken`;
}

function injectContainer(
  { path, mounts, env }: AdmissionContainer,
  { table, volumeName, filesVolume, variables = [] }: ContainerTarget,
  leaveOutFiles: boolean,
): readonly JsonPatchOperation[] {
  const set = new Set(env?.map((variable) => ownValue(variable, 'name')));
  const wanted = [table.env, ...(leaveOutFiles ? [] : variables)];
  const added = [
    { name: volumeName, ...table.mount },
    ...(filesVolume === undefined || leaveOutFiles
      ? []
      : [{ name: filesVolume, ...table.files.mount }]),
  ];
  return [
    ...appendTo([...path, 'volumeMounts'], mounts, added),
    ...appendTo(
      [...path, 'env'],
      env,
      wanted.filter(({ name }) => !set.has(name)),
    ),
  ];
}

/**
 * Whether something is mounted at the path, or below it: for that the runtime would have to make a
 * directory inside our read-only volume, and the container could not start.
 */
function hasMountAt({ mounts }: AdmissionContainer, mountPath: string): boolean {
  return (mounts ?? []).some((mount) => `${absolutePathOf(mount)}/`.startsWith(`${mountPath}/`));
}

function absolutePathOf(mount: JsonObject): string | undefined {
  const path = ownValue(mount, 'mountPath');
  return typeof path === 'string' ? posix.join('/', path).replace(/\/$/, '') : undefined;
}
