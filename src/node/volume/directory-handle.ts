// A directory held open by descriptor. Everything inside is reached through
// /proc/self/fd/<n>/<name>, so no later change of a parent (a symlink swapped in, a rename) can
// send us elsewhere, and a path of any length fits into a socket address.

import {
  closeSync,
  constants,
  fstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  statfsSync,
  unlinkSync,
} from 'node:fs';
import { invalid } from '../../base/errors.ts';

const OPEN_DIRECTORY = constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW;

export class DirectoryHandle {
  readonly #fd: number;
  #closed = false;

  private constructor(fd: number) {
    this.#fd = fd;
  }

  /** Opens a directory that an administrator configured; its own path may hold symlinks. */
  static openRoot(path: string): DirectoryHandle {
    return new DirectoryHandle(openSync(path, constants.O_RDONLY | constants.O_DIRECTORY));
  }

  /**
   * Opens a child directory without following a symlink. Undefined when it is not there; throws
   * `invalid-argument` when something else stands in its place.
   */
  openChild(name: string): DirectoryHandle | undefined {
    try {
      return new DirectoryHandle(openSync(this.pathOf(name), OPEN_DIRECTORY));
    } catch (thrown) {
      if (isErrno(thrown, 'ENOENT')) return undefined;
      if (isErrno(thrown, 'ELOOP') || isErrno(thrown, 'ENOTDIR')) {
        throw invalid(`target_path: component "${name}" is a symbolic link or not a directory`);
      }
      throw thrown;
    }
  }

  /** Walks down component by component; undefined as soon as one is not there. */
  walk(names: readonly string[]): DirectoryHandle | undefined {
    let at: DirectoryHandle | undefined = this.openChild('.');
    for (const name of names) {
      if (at === undefined) return undefined;
      const above: DirectoryHandle = at;
      try {
        at = above.openChild(name);
      } finally {
        above.close();
      }
    }
    return at;
  }

  /** Makes a child directory; true when this call made it. */
  makeChild(name: string, mode: number): boolean {
    try {
      mkdirSync(this.pathOf(name), { mode });
      return true;
    } catch (thrown) {
      if (isErrno(thrown, 'EEXIST')) return false;
      throw thrown;
    }
  }

  /** Removes an empty child directory; one that is not there is fine. */
  removeChild(name: string): void {
    ignoring('ENOENT', () => rmdirSync(this.pathOf(name)));
  }

  /** Unlinks a file, socket or symlink; one that is not there is fine. */
  unlink(name: string): void {
    ignoring('ENOENT', () => unlinkSync(this.pathOf(name)));
  }

  list() {
    return readdirSync(this.pathOf('.'), { withFileTypes: true });
  }

  /** When a name in it was last made or removed, in milliseconds since the epoch. */
  get changedAt(): number {
    return fstatSync(this.#open()).mtimeMs;
  }

  /** The kernel's id of the mount that this directory lies on. */
  get mountId(): string {
    const info = readFileSync(`/proc/self/fdinfo/${this.#open()}`, 'latin1');
    const match = /^mnt_id:\s*(\d+)$/m.exec(info);
    if (match?.[1] === undefined) throw new Error('fdinfo without mnt_id');
    return match[1];
  }

  /** The kernel's magic number of the file system that this directory lies on. */
  get fileSystemType(): number {
    return statfsSync(this.pathOf('.')).type;
  }

  /** Owner, group and mode, with the set-group-ID bit. */
  get ownership(): { readonly uid: number; readonly gid: number; readonly mode: number } {
    const { uid, gid, mode } = fstatSync(this.#open());
    return { uid, gid, mode: mode & 0o7777 };
  }

  /** A path to `name` inside this directory that stays right while the handle is open. */
  pathOf(name: string): string {
    return `/proc/self/fd/${this.#open()}/${name}`;
  }

  isSameAs(other: DirectoryHandle): boolean {
    const [a, b] = [fstatSync(this.#open()), fstatSync(other.#open())];
    return a.ino === b.ino && a.dev === b.dev;
  }

  close(): void {
    closeSync(this.#open());
    this.#closed = true;
  }

  // The number of a closed descriptor may by now be another volume's.
  #open(): number {
    if (this.#closed) throw new TypeError('the directory handle is closed');
    return this.#fd;
  }
}

export function isErrno(thrown: unknown, code: string): boolean {
  return thrown instanceof Error && 'code' in thrown && thrown.code === code;
}

function ignoring(code: string, act: () => void): void {
  try {
    act();
  } catch (thrown) {
    if (!isErrno(thrown, code)) throw thrown;
  }
}
