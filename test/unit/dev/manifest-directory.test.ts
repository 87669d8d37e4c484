// A directory of manifests under everything that editors and people do to it.

import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import { systemClock } from '../../../src/base/clock.ts';
import {
  type ManifestSet,
  readDirectory,
  watchDirectory,
} from '../../../src/dev/manifest-directory.ts';

let root: string;
let directory: string;
let stop: AbortController;
let sets: AsyncGenerator<ManifestSet, void>;

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'signet-manifests-'));
  directory = join(root, 'm');
  mkdirSync(directory);
  stop = new AbortController();
  sets = watchDirectory(directory, systemClock, stop.signal);
});
afterEach(async () => {
  stop.abort();
  await sets.return();
  rmSync(root, { recursive: true, force: true });
});

const pod = (name: string) => JSON.stringify({ apiVersion: 'v1', kind: 'Pod', metadata: { name } });
const write = (file: string, text: string) => writeFileSync(join(directory, file), text);
const names = ({ objects }: ManifestSet) => objects.map(({ name }) => name);

async function next(): Promise<ManifestSet> {
  const result = await sets.next();
  if (result.done === true) return assert.fail('it ended');
  return result.value;
}

/** Sets come until editing is over; the first that fits. */
async function nextWith(fits: (set: ManifestSet) => boolean): Promise<ManifestSet> {
  for (let more = 0; more < 20; more += 1) {
    const set = await next();
    if (fits(set)) return set;
  }
  return assert.fail('it never fitted');
}

test('files are read in the order of their paths, other files are not', () => {
  mkdirSync(join(directory, 'b'));
  write('c.json', pod('three'));
  write('b/x.yml', pod('two'));
  write('a.yaml', pod('one'));
  write('notes.txt', pod('never'));
  write('a.yaml~', pod('never'));
  symlinkSync(join(directory, 'a.yaml'), join(directory, 'd.yaml'));
  symlinkSync(join(directory, 'gone'), join(directory, 'e.yaml'));
  symlinkSync(join(directory, 'f.yaml'), join(directory, 'f.yaml'));
  mkdirSync(join(directory, 'g.yaml'));
  const { objects, errors } = readDirectory(directory);
  assert.deepEqual(
    objects.map(({ name }) => name),
    ['one', 'two', 'three', 'one'],
  );
  assert.deepEqual(errors, []);
});

test('what is written, replaced, moved and removed is seen, each time as a whole', async () => {
  assert.deepEqual(names(await next()), []);
  write('a.yaml', pod('one'));
  assert.deepEqual(names(await nextWith(({ objects }) => objects.length === 1)), ['one']);
  write('draft.tmp', pod('two'));
  renameSync(join(directory, 'draft.tmp'), join(directory, 'a.yaml'));
  assert.deepEqual(names(await nextWith(({ objects }) => objects[0]?.name === 'two')), ['two']);
  mkdirSync(join(directory, 'sub'));
  write('sub/b.yaml', pod('three'));
  await nextWith(({ objects }) => objects.length === 2);
  rmSync(join(directory, 'a.yaml'));
  assert.deepEqual(names(await nextWith(({ objects }) => objects.length === 1)), ['three']);
});

test('a file that breaks keeps what it held, until it is whole again', async () => {
  write('a.json', pod('one'));
  assert.deepEqual(names(await next()), ['one']);
  write('a.json', pod('one').slice(0, -5));
  const broken = await nextWith(({ errors }) => errors.length > 0);
  assert.deepEqual(names(broken), ['one']);
  assert.match(broken.errors[0] ?? '', /a\.json: /);
  write('a.json', pod('two'));
  const whole = await nextWith(({ errors }) => errors.length === 0);
  assert.deepEqual(names(whole), ['two']);
});

test('a directory that is replaced loses nothing between', async () => {
  write('a.json', pod('one'));
  assert.deepEqual(names(await next()), ['one']);
  renameSync(directory, join(root, 'aside'));
  const away = await nextWith(({ errors }) => errors.length > 0);
  assert.deepEqual(names(away), ['one']);
  assert.match(away.errors[0] ?? '', /m: no such directory$/);
  mkdirSync(directory);
  write('b.json', pod('two'));
  const back = await nextWith(({ errors }) => errors.length === 0);
  assert.deepEqual(names(back), ['two']);
});
