// A directory of manifests, read as a whole whenever something in it may have changed. Editors write
// in many ways, so a notice from the file system only means "look again"; a look now and then makes
// up for notices that never come.

import { type Dirent, readdirSync, readFileSync, statSync, watch } from 'node:fs';
import { join } from 'node:path';
import type { Clock } from '../base/clock.ts';
import { CodedError, invalid } from '../base/errors.ts';
import { Latest } from '../base/latest.ts';
import { type ManifestObject, readManifests } from './read-manifests.ts';

export type ManifestSet = {
  readonly objects: readonly ManifestObject[];
  readonly errors: readonly string[];
};

const MANIFEST = /\.(ya?ml|json)$/;
const MAX_FILES = 10_000;
/** Long enough for an editor to finish writing, short beside a second. */
const SETTLE_MS = 50;
const LOOK_EVERY_MS = 1000;

/**
 * The objects of all manifests below a directory, files in the order of their paths. A file that
 * cannot be read or parsed is reported; `before` says what it held, so that a half-written file takes
 * nothing away.
 */
export function readDirectory(path: string, before?: ManifestSet): ManifestSet {
  const objects: ManifestObject[] = [];
  const errors: string[] = [];
  for (const file of manifestFiles(path)) {
    const read = readFile(file);
    errors.push(...read.errors);
    objects.push(...read.objects);
    if (read.errors.length === 0 || before === undefined) continue;
    const known = new Set(read.objects.map(identity));
    const isOfFile = ({ source }: ManifestObject) =>
      source === file || source.startsWith(`${file} (`);
    objects.push(
      ...before.objects.filter((object) => isOfFile(object) && !known.has(identity(object))),
    );
  }
  return { objects, errors };
}

/** Yields the set at once, and again whenever it differs from the last one, until aborted. */
export async function* watchDirectory(
  path: string,
  clock: Clock,
  signal: AbortSignal,
): AsyncGenerator<ManifestSet, void, undefined> {
  const notices = new Latest<true>();
  const watcher = watch(path, { recursive: true, signal }, () => notices.set(true));
  watcher.on('error', () => {});
  const look = async () => {
    while (!signal.aborted) {
      await clock.sleep(LOOK_EVERY_MS, signal);
      notices.set(true);
    }
  };
  void look();
  let last = readDirectory(path);
  let shown = JSON.stringify(last);
  yield last;
  for await (const _ of notices.watch(signal)) {
    await clock.sleep(SETTLE_MS, signal);
    const now = readAgain(path, last);
    const text = JSON.stringify(now);
    if (text === shown) continue;
    last = now;
    shown = text;
    yield now;
  }
}

// A directory that is replaced is not there for a moment, and takes nothing away either.
function readAgain(path: string, last: ManifestSet): ManifestSet {
  try {
    return readDirectory(path, last);
  } catch (thrown) {
    return { objects: last.objects, errors: [CodedError.from(thrown).message] };
  }
}

function readFile(file: string): ManifestSet {
  try {
    return readManifests(file, readFileSync(file, 'utf8'));
  } catch (thrown) {
    return { objects: [], errors: [`${file}: ${CodedError.from(thrown).message}`] };
  }
}

function manifestFiles(path: string): readonly string[] {
  let isDirectory: boolean;
  try {
    isDirectory = statSync(path).isDirectory();
  } catch (thrown) {
    throw invalid(`${path}: no such directory`, thrown);
  }
  if (!isDirectory) throw invalid(`${path}: not a directory`);
  const files = readdirSync(path, { recursive: true, withFileTypes: true })
    .filter((entry) => MANIFEST.test(entry.name))
    .map((entry) => ({ path: join(entry.parentPath, entry.name), entry }))
    .filter(({ path: file, entry }) => entry.isFile() || isLinkToFile(file, entry))
    .map(({ path: file }) => file)
    .toSorted();
  if (files.length > MAX_FILES) throw invalid(`${path}: more than ${MAX_FILES} manifests`);
  return files;
}

function isLinkToFile(file: string, entry: Dirent): boolean {
  if (!entry.isSymbolicLink()) return false;
  try {
    return statSync(file).isFile();
  } catch {
    return false;
  }
}

function identity({ kind, namespace, name }: ManifestObject): string {
  return `${kind} ${namespace}/${name}`;
}
