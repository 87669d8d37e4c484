// What earlier publishes have left in the kubelet's tree, whoever remembers them. Only looks; each
// step goes by descriptor and follows no symbolic link.

import type { Dirent } from 'node:fs';
import { DirectoryHandle } from './directory-handle.ts';
import { CSI_PLUGIN_DIRECTORY, parseTargetPath, type TargetPath } from './target-path.ts';
import { isOwnName } from './volume-directory.ts';
import { notedDriver } from './volume-note.ts';

export type VolumeTrace = {
  readonly target: TargetPath;
  /** Whether the kubelet can end the volume by itself: its note names a driver. */
  readonly isNoted: boolean;
  /** When names in the directory last changed, in milliseconds since the epoch. */
  readonly changedAt: number;
};

/** Every volume directory that may be of the driver: its note says so, or our names are in it. */
export function findVolumeTraces(kubeletRoot: string, driverName: string): readonly VolumeTrace[] {
  const pods = DirectoryHandle.openRoot(`${kubeletRoot}/pods`);
  try {
    return directoriesIn(pods).flatMap((podUid) => {
      const volumes = tryWalk(pods, [podUid, 'volumes', CSI_PLUGIN_DIRECTORY]);
      if (volumes === undefined) return [];
      try {
        return directoriesIn(volumes).flatMap((name) => {
          const path = `${kubeletRoot}/pods/${podUid}/volumes/${CSI_PLUGIN_DIRECTORY}/${name}/mount`;
          const target = readTarget(path, kubeletRoot);
          const trace = target && readTrace(volumes, target, driverName);
          return trace === undefined ? [] : [trace];
        });
      } finally {
        volumes.close();
      }
    });
  } finally {
    pods.close();
  }
}

function readTrace(
  volumes: DirectoryHandle,
  target: TargetPath,
  driverName: string,
): VolumeTrace | undefined {
  const parent = tryWalk(volumes, [target.volumeName]);
  if (parent === undefined) return undefined;
  const mount = tryWalk(parent, ['mount']);
  try {
    // What another driver has mounted there is not looked into.
    if (mount === undefined || mount.mountId !== parent.mountId) return undefined;
    const noted = notedDriver(parent);
    if (noted !== undefined && noted !== driverName) return undefined;
    const hasOwnNames = mount.list().some(({ name }) => isOwnName(name));
    if (noted === undefined && !hasOwnNames) return undefined;
    return { target, isNoted: noted !== undefined, changedAt: mount.changedAt };
  } finally {
    mount?.close();
    parent.close();
  }
}

function directoriesIn(handle: DirectoryHandle): readonly string[] {
  const isDirectory = (entry: Dirent) => entry.isDirectory();
  return handle
    .list()
    .filter(isDirectory)
    .map(({ name }) => name);
}

// Pods come and go while this looks.
function tryWalk(from: DirectoryHandle, names: readonly string[]): DirectoryHandle | undefined {
  try {
    return from.walk(names);
  } catch {
    return undefined;
  }
}

function readTarget(path: string, kubeletRoot: string): TargetPath | undefined {
  try {
    return parseTargetPath(path, kubeletRoot);
  } catch {
    return undefined;
  }
}
