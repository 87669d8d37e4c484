// The place that files are written into: an `emptyDir` of the pod, in memory. It is looked at anew
// for each write and never held open: an open descriptor would keep the kubelet from unmounting it.

import { CodedError } from '../../base/errors.ts';
import { FILES, FS_GROUP } from '../../base/file-attributes.ts';
import { DirectoryHandle } from '../volume/directory-handle.ts';

export type FilesPlace = {
  readonly podsDirectory: string;
  readonly podUid: string;
  /** Name of the `emptyDir` volume. */
  readonly volume: string;
  readonly group: number | undefined;
  /** Takes a directory on the node's disk as well. */
  readonly allowKeysOnDisk: boolean;
};

const EMPTY_DIR = 'kubernetes.io~empty-dir';
const TMPFS = 0x01021994;
const SET_GROUP_ID = 0o2000;

/**
 * Calls `act` with the directory, and only if keys may be written there. Throws `unavailable` while it
 * is not there, is not in memory, or has not the group that was asked for: the kubelet makes it while
 * it calls us, so all of that may pass.
 */
export function withFilesDirectory<T>(place: FilesPlace, act: (found: DirectoryHandle) => T): T {
  const parent = openParent(place);
  try {
    const found = parent?.openChild(place.volume);
    if (parent === undefined || found === undefined) throw missing(place);
    try {
      requireInMemory(parent, found, place);
      requireGroup(found, place);
      return act(found);
    } finally {
      found.close();
    }
  } finally {
    parent?.close();
  }
}

function openParent({ podsDirectory, podUid }: FilesPlace): DirectoryHandle | undefined {
  const pods = DirectoryHandle.openRoot(podsDirectory);
  try {
    return pods.walk([podUid, 'volumes', EMPTY_DIR]);
  } finally {
    pods.close();
  }
}

function missing({ volume }: FilesPlace): CodedError {
  return new CodedError(
    'unavailable',
    `${FILES}: the pod's emptyDir volume "${volume}" with medium: Memory is not there`,
    { reason: 'FilesVolumeMissing' },
  );
}

// Before the kubelet has mounted it, and after it has unmounted it, the directory is one on the disk.
function requireInMemory(
  parent: DirectoryHandle,
  found: DirectoryHandle,
  { volume, allowKeysOnDisk }: FilesPlace,
): void {
  if (allowKeysOnDisk) return;
  if (found.mountId !== parent.mountId && found.fileSystemType === TMPFS) return;
  throw new CodedError(
    'unavailable',
    `${FILES}: the pod's emptyDir volume "${volume}" is not in memory; it needs medium: Memory`,
    { reason: 'FilesOnDisk' },
  );
}

// New files take the group of a directory that has the set-group-ID bit: no capability is needed.
function requireGroup(found: DirectoryHandle, { volume, group }: FilesPlace): void {
  if (group === undefined) return;
  const { gid, mode } = found.ownership;
  if (gid === group && (mode & SET_GROUP_ID) !== 0) return;
  throw new CodedError(
    'unavailable',
    `${FS_GROUP}: the group of the emptyDir volume "${volume}" is ${gid}, not ${group}; ` +
      "set the pod's securityContext.fsGroup",
    { reason: 'FilesGroup' },
  );
}
