// Exchanges a whole set of files at once, as the kubelet does for its own volumes: files lie in a
// directory of their own, `..data` is a symbolic link to it that a rename replaces, and the public
// names are links through `..data`. A crash at any line leaves the old set or the new one in force.
//
// The pod may be able to write here. So every name is reached by descriptor, made new or not at all,
// and no link is followed: whatever the pod puts in the way, it only hinders itself.

import { randomBytes } from 'node:crypto';
import {
  chmodSync,
  closeSync,
  constants,
  fchmodSync,
  fstatSync,
  opendirSync,
  openSync,
  readlinkSync,
  renameSync,
  symlinkSync,
  writeSync,
} from 'node:fs';
import { CodedError } from '../../base/errors.ts';
import { type DirectoryHandle, isErrno } from '../volume/directory-handle.ts';
import type { SetFile } from './file-set.ts';

const DATA = '..data';
const SET = /^\.\.signet-[0-9a-f]{16}$/;
const DRAFT = /^\.\.draft-[0-9a-f]{16}$/;
const NEW_FILE = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;
const DIRECTORY_MODE = 0o755;
const SET_GROUP_ID = 0o2000;
/** Of a pod that fills the directory, no more is looked at or removed in one go: others wait for it. */
const MAX_LOOKS = 512;
/** A set is written in one go; one that is older and not in force was left by a crash. */
const ABANDONED_AFTER_MS = 5000;

export type SwapOptions = {
  /** The group that may read what is secret; undefined for root alone. */
  readonly group: number | undefined;
  /** Milliseconds since the epoch, to tell what is abandoned. */
  readonly now: number;
};

/**
 * Puts `files` in force and removes what was before. When it throws, what was in force still is, and
 * nothing of the new set is left.
 */
export function swapFiles(
  directory: DirectoryHandle,
  files: readonly SetFile[],
  { group, now }: SwapOptions,
): void {
  const before = currentSet(directory);
  const looks = { left: MAX_LOOKS };
  const name = `..signet-${randomName()}`;
  try {
    const set = makeSet(directory, name);
    try {
      for (const file of files) writeNew(set, file, group);
      for (const file of files) linkPublic(directory, file.name);
      putInForce(directory, name);
      requireInForce(directory, name, set);
    } finally {
      set.close();
    }
  } catch (thrown) {
    if (currentSet(directory) !== name) removeSet(directory, name, looks);
    throw thrown;
  }
  if (before !== undefined) removeSet(directory, before, looks);
  const names = new Set(files.map((file) => file.name));
  clean(directory, {
    isStale: (set, changedAt) => set !== name && Math.abs(now - changedAt) > ABANDONED_AFTER_MS,
    keepsName: (publicName) => names.has(publicName),
    looks,
  });
}

/** Removes whatever set is there; the public names lead nowhere from the first step on. */
export function removeFiles(directory: DirectoryHandle): void {
  const current = currentSet(directory);
  const looks = { left: MAX_LOOKS };
  if (current !== undefined) {
    directory.unlink(DATA);
    removeSet(directory, current, looks);
  }
  clean(directory, { isStale: () => true, keepsName: () => false, looks });
}

/** The directory of the set in force, if it is one of ours. */
function currentSet(directory: DirectoryHandle): string | undefined {
  const target = linkOf(directory, DATA);
  return target !== undefined && SET.test(target) ? target : undefined;
}

function makeSet(directory: DirectoryHandle, name: string): DirectoryHandle {
  const made = directory.makeChild(name, DIRECTORY_MODE);
  const set = made ? directory.openChild(name) : undefined;
  if (set === undefined) throw interfered();
  // What stands there now may be another directory, of the pod's.
  const { uid, mode } = set.ownership;
  const isOurs = uid === process.geteuid?.() && set.mountId === directory.mountId;
  if (!isOurs || namesIn(set, 1).length > 0) {
    set.close();
    throw interfered();
  }
  if ((mode & 0o777) !== DIRECTORY_MODE) {
    chmodSync(set.pathOf('.'), DIRECTORY_MODE | (mode & SET_GROUP_ID));
  }
  return set;
}

function writeNew(set: DirectoryHandle, file: SetFile, group: number | undefined): void {
  const fd = openSync(set.pathOf(file.name), NEW_FILE, 0o600);
  try {
    if (file.secret && group !== undefined && fstatSync(fd).gid !== group) {
      throw new CodedError('unavailable', `${file.name}: a new file is not of group ${group}`);
    }
    for (let at = 0; at < file.bytes.length; ) at += writeSync(fd, file.bytes, at);
    fchmodSync(fd, fileMode(file, group));
  } finally {
    closeSync(fd);
  }
}

function fileMode({ secret }: SetFile, group: number | undefined): number {
  if (!secret) return 0o644;
  return group === undefined ? 0o600 : 0o640;
}

function linkPublic(directory: DirectoryHandle, name: string): void {
  const target = `${DATA}/${name}`;
  if (linkOf(directory, name) === target) return;
  directory.unlink(name);
  symlinkSync(target, directory.pathOf(name));
}

function putInForce(directory: DirectoryHandle, name: string): void {
  const draft = `..draft-${randomName()}`;
  symlinkSync(name, directory.pathOf(draft));
  try {
    renameSync(directory.pathOf(draft), directory.pathOf(DATA));
  } catch (thrown) {
    directory.unlink(draft);
    throw thrown;
  }
}

function requireInForce(directory: DirectoryHandle, name: string, set: DirectoryHandle): void {
  const found = directory.openChild(name);
  const isSame = found?.isSameAs(set) ?? false;
  found?.close();
  if (!isSame) throw interfered();
}

/** What one pass may still look at. */
type Looks = { left: number };

type Cleaning = {
  readonly isStale: (set: string, changedAt: number) => boolean;
  readonly keepsName: (name: string) => boolean;
  readonly looks: Looks;
};

function clean(directory: DirectoryHandle, { isStale, keepsName, looks }: Cleaning): void {
  for (const name of namesIn(directory, looks.left)) {
    looks.left -= 1;
    if (looks.left < 0) return;
    if (SET.test(name)) {
      const set = openIfDirectory(directory, name);
      const changedAt = set?.changedAt ?? 0;
      set?.close();
      if (isStale(name, changedAt)) removeSet(directory, name, looks);
    } else if (DRAFT.test(name)) {
      tryUnlink(directory, name);
    } else if (!keepsName(name) && linkOf(directory, name) === `${DATA}/${name}`) {
      tryUnlink(directory, name);
    }
  }
}

function removeSet(directory: DirectoryHandle, name: string, looks: Looks): void {
  const set = openIfDirectory(directory, name);
  if (set === undefined) return tryUnlink(directory, name);
  try {
    const names = namesIn(set, looks.left);
    looks.left -= names.length;
    for (const file of names) tryUnlink(set, file);
  } finally {
    set.close();
  }
  try {
    directory.removeChild(name);
  } catch (thrown) {
    if (!isErrno(thrown, 'ENOTEMPTY') && !isErrno(thrown, 'ENOTDIR')) throw thrown;
  }
}

function openIfDirectory(directory: DirectoryHandle, name: string): DirectoryHandle | undefined {
  try {
    return directory.openChild(name);
  } catch (thrown) {
    if (thrown instanceof CodedError) return undefined;
    throw thrown;
  }
}

// A directory that the pod made under the name of a file stays.
function tryUnlink(directory: DirectoryHandle, name: string): void {
  try {
    directory.unlink(name);
  } catch (thrown) {
    if (!isErrno(thrown, 'EISDIR') && !isErrno(thrown, 'EPERM')) throw thrown;
  }
}

function namesIn(directory: DirectoryHandle, atMost: number): readonly string[] {
  const listing = opendirSync(directory.pathOf('.'));
  try {
    const names: string[] = [];
    while (names.length < atMost) {
      const entry = listing.readSync();
      if (entry === null) break;
      names.push(entry.name);
    }
    return names;
  } finally {
    listing.closeSync();
  }
}

function linkOf(directory: DirectoryHandle, name: string): string | undefined {
  try {
    return readlinkSync(directory.pathOf(name));
  } catch (thrown) {
    if (isErrno(thrown, 'ENOENT') || isErrno(thrown, 'EINVAL')) return undefined;
    throw thrown;
  }
}

function randomName(): string {
  return randomBytes(8).toString('hex');
}

function interfered(): CodedError {
  return new CodedError('unavailable', 'the pod interferes with its files', {
    reason: 'FilesInterference',
  });
}
