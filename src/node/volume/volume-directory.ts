// A published volume's directory: made, held open and removed by descriptor. Only names of our own
// are ever written or removed, and never anything on somebody else's mount.

import { lstatSync, readlinkSync, symlinkSync } from 'node:fs';
import { CodedError } from '../../base/errors.ts';
import { DirectoryHandle, isErrno } from './directory-handle.ts';
import { type TargetPath, targetSegments } from './target-path.ts';
import { notedDriver, VOLUME_NOTE } from './volume-note.ts';

/** The name clients of SPIRE's agent know; the others are symlinks to it. */
export const PUBLIC_SOCKET = 'spire-agent.sock';
const ALIASES = ['agent.sock', 'api.sock', 'socket'] as const;
const HIDDEN_SOCKET = /^\.signet-[0-9a-f]+\.sock$/;

/** World-searchable and world-readable; its parents belong to root alone (KU-24). */
const DIRECTORY_MODE = 0o755;

export class VolumeDirectory {
  readonly #handle: DirectoryHandle;
  /** Whether this process made the directory: undoing a failed publish removes only then. */
  readonly created: boolean;

  private constructor(handle: DirectoryHandle, created: boolean) {
    this.#handle = handle;
    this.created = created;
  }

  /**
   * Opens the target, making it if `create`. Undefined when it, or with `create` its parent, is not
   * there. Throws `unavailable` when the target is somebody else's mount.
   */
  static open(
    target: TargetPath,
    options: { podsDirectory: string; create: boolean },
  ): VolumeDirectory | undefined {
    return withParent(target, options.podsDirectory, (parent) => {
      const created = options.create && parent.makeChild('mount', DIRECTORY_MODE);
      const handle = openOwn(parent, target);
      return handle === undefined ? undefined : new VolumeDirectory(handle, created);
    });
  }

  /**
   * Removes our names and then the directory, by descriptor and never recursively. A target that is
   * not there is fine (CS-13). Throws `unavailable` for a foreign mount and for foreign content.
   */
  static remove(target: TargetPath, podsDirectory: string): void {
    withParent(target, podsDirectory, (parent) => {
      const handle = openOwn(parent, target);
      if (handle === undefined) return;
      try {
        removeOwnNames(handle);
      } finally {
        handle.close();
      }
      removeEmpty(parent, target);
    });
  }

  /** Removes the kubelet's note beside a target that is gone, if it is one that it cannot use. */
  static removeUnusableNote(target: TargetPath, podsDirectory: string): void {
    withParent(target, podsDirectory, (parent) => {
      if (notedDriver(parent) === undefined) parent.unlink(VOLUME_NOTE);
    });
  }

  /** Whether the target path still leads here: the directory may have been removed or replaced. */
  isAt(target: TargetPath, podsDirectory: string): boolean {
    const found = withParent(target, podsDirectory, (parent) => {
      const handle = openOwn(parent, target);
      if (handle === undefined) return false;
      try {
        return handle.isSameAs(this.#handle);
      } finally {
        handle.close();
      }
    });
    return found ?? false;
  }

  /** Puts the alias names beside the socket; what stands there already right is left alone. */
  linkAliases(): void {
    for (const alias of ALIASES) {
      const path = this.#handle.pathOf(alias);
      if (linksTo(path) === PUBLIC_SOCKET) continue;
      this.#handle.unlink(alias);
      symlinkSync(PUBLIC_SOCKET, path);
    }
  }

  /** Inode of the public socket name; undefined when nothing is there. */
  publicInode(): number | undefined {
    try {
      return lstatSync(this.pathOf(PUBLIC_SOCKET)).ino;
    } catch (thrown) {
      if (isErrno(thrown, 'ENOENT')) return undefined;
      throw thrown;
    }
  }

  pathOf(name: string): string {
    return this.#handle.pathOf(name);
  }

  close(): void {
    this.#handle.close();
  }
}

function withParent<T>(
  target: TargetPath,
  podsDirectory: string,
  act: (parent: DirectoryHandle) => T,
): T | undefined {
  const parent = openParent(target, podsDirectory);
  if (parent === undefined) return undefined;
  try {
    return act(parent);
  } finally {
    parent.close();
  }
}

function openParent(target: TargetPath, podsDirectory: string): DirectoryHandle | undefined {
  const root = DirectoryHandle.openRoot(podsDirectory);
  try {
    return root.walk(targetSegments(target).slice(0, -1));
  } finally {
    root.close();
  }
}

// A bind mount, of spiffe-csi for one, shows one shared directory in every pod: binding there would
// give the last pod's identity to all of them.
function openOwn(parent: DirectoryHandle, target: TargetPath): DirectoryHandle | undefined {
  const handle = parent.openChild('mount');
  if (handle === undefined || handle.mountId === parent.mountId) return handle;
  handle.close();
  throw new CodedError(
    'unavailable',
    `target_path: ${target.path} is a mount of another driver; drain the node or unmount it`,
    { reason: 'ForeignMount' },
  );
}

/** Whether a name in a volume's directory is one that this plugin makes. */
export function isOwnName(name: string): boolean {
  return (
    name === PUBLIC_SOCKET ||
    (ALIASES as readonly string[]).includes(name) ||
    HIDDEN_SOCKET.test(name)
  );
}

function removeOwnNames(handle: DirectoryHandle): void {
  for (const entry of handle.list()) {
    if (isOwnName(entry.name) && !entry.isDirectory()) handle.unlink(entry.name);
    // A subPath mount of our volume makes the kubelet leave an empty directory behind.
    else if (entry.isDirectory()) tryRemove(handle, entry.name);
  }
}

function tryRemove(handle: DirectoryHandle, name: string): void {
  try {
    handle.removeChild(name);
  } catch (thrown) {
    if (!isErrno(thrown, 'ENOTEMPTY') && !isErrno(thrown, 'EBUSY')) throw thrown;
  }
}

function removeEmpty(parent: DirectoryHandle, target: TargetPath): void {
  try {
    parent.removeChild('mount');
  } catch (thrown) {
    if (!isErrno(thrown, 'ENOTEMPTY') && !isErrno(thrown, 'EBUSY')) throw thrown;
    throw new CodedError(
      'unavailable',
      `target_path: ${target.path} holds files that are not ours; remove them by hand`,
      { cause: thrown, reason: 'ForeignContent' },
    );
  }
}

function linksTo(path: string): string | undefined {
  try {
    return readlinkSync(path);
  } catch (thrown) {
    if (isErrno(thrown, 'ENOENT') || isErrno(thrown, 'EINVAL')) return undefined;
    throw thrown;
  }
}

/** A fresh name to bind on before the rename to the public one. */
export function hiddenSocketName(random: string): string {
  return `.signet-${random}.sock`;
}
