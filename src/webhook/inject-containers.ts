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
  const { mountPath } = target.table.mount;
  const unserved = containers.filter((each) => !mountsAny(each, target.driverVolumes));
  const taken = unserved.filter((each) => hasMountAt(each, mountPath));
  const free = unserved.filter((each) => !taken.includes(each));
  return {
    patch: free.flatMap((each) => injectContainer(each, target)),
    warnings: taken.map(({ path }) => {
      const field = formatField([...path, 'volumeMounts']);
      return `${field}: ${mountPath} is taken, so the container gets no socket`;
    }),
  };
}

function injectContainer(
  { path, mounts, env }: AdmissionContainer,
  { table, volumeName }: ContainerTarget,
): readonly JsonPatchOperation[] {
  const isSet = env?.some((variable) => ownValue(variable, 'name') === table.env.name) ?? false;
  return [
    ...appendTo([...path, 'volumeMounts'], mounts, [{ name: volumeName, ...table.mount }]),
    ...appendTo([...path, 'env'], env, isSet ? [] : [table.env]),
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
