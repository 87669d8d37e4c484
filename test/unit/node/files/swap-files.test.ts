// Exchanging a set of files: whole or not at all, whatever fails, whatever a pod that can write there
// puts in the way.

import assert from 'node:assert/strict';
import {
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, suite, test } from 'node:test';
import type { SetFile } from '../../../../src/node/files/file-set.ts';
import { removeFiles, swapFiles } from '../../../../src/node/files/swap-files.ts';
import { DirectoryHandle } from '../../../../src/node/volume/directory-handle.ts';

const NOW = Date.now();
const file = (name: string, text: string, secret = false): SetFile => ({
  name,
  bytes: Buffer.from(text),
  secret,
});
const setOf = (generation: number) => [
  file('tls.crt', `chain ${generation}`),
  file('tls.key', `key ${generation}`, true),
];

suite('a set of files', () => {
  let root: string;
  let outside: string;
  let handle: DirectoryHandle;
  beforeEach(() => {
    const base = mkdtempSync(join(tmpdir(), 'signet-swap-'));
    root = join(base, 'files');
    outside = join(base, 'outside');
    mkdirSync(root);
    mkdirSync(outside);
    handle = DirectoryHandle.openRoot(root);
  });
  afterEach(() => {
    handle.close();
    rmSync(join(root, '..'), { recursive: true });
  });

  const swap = (files: readonly SetFile[], now = NOW) =>
    swapFiles(handle, files, { group: undefined, now });
  const read = (name: string) => readFileSync(join(root, name), 'utf8');
  const sets = () => readdirSync(root).filter((name) => name.startsWith('..signet-'));

  test('is there whole, with modes by what is secret, and nothing besides', () => {
    swap(setOf(1));
    assert.deepEqual([read('tls.crt'), read('tls.key')], ['chain 1', 'key 1']);
    assert.equal(statSync(join(root, 'tls.crt')).mode & 0o777, 0o644);
    assert.equal(statSync(join(root, 'tls.key')).mode & 0o777, 0o600);
    assert.equal(readlinkSync(join(root, 'tls.key')), '..data/tls.key');
    const [set = ''] = sets();
    assert.equal(statSync(join(root, set)).mode & 0o777, 0o755);
    assert.deepEqual(readdirSync(root).toSorted(), ['..data', set, 'tls.crt', 'tls.key']);
  });

  test('is readable by the group that the directory has, and by no other', () => {
    const gid = statSync(root).gid;
    swapFiles(handle, setOf(1), { group: gid, now: NOW });
    assert.equal(statSync(join(root, 'tls.key')).mode & 0o777, 0o640);
    assert.equal(statSync(join(root, 'tls.crt')).mode & 0o777, 0o644);
    assert.throws(() => swapFiles(handle, setOf(2), { group: gid + 1, now: NOW }), {
      code: 'unavailable',
      message: /tls\.key: a new file is not of group/,
    });
    assert.equal(read('tls.key'), 'key 1');
    assert.equal(sets().length, 1, 'nothing of the failed set is left');
  });

  test('replaces the one before, and takes away names that are no longer in it', () => {
    swap([...setOf(1), file('token', 'jwt', true)]);
    const [before] = sets();
    swap(setOf(2));
    assert.equal(read('tls.key'), 'key 2');
    assert.notEqual(sets()[0], before);
    assert.equal(sets().length, 1);
    assert.equal(existsSync(join(root, 'token')), false);
    assert.throws(() => lstatSync(join(root, 'token')), { code: 'ENOENT' });
  });

  test('what a crash left is removed by the next one, what may be under way is not', () => {
    swap(setOf(1));
    const abandoned = join(root, `..signet-${'a'.repeat(16)}`);
    const fresh = join(root, `..signet-${'b'.repeat(16)}`);
    for (const path of [abandoned, fresh]) {
      mkdirSync(path);
      writeFileSync(join(path, 'tls.key'), 'left');
    }
    symlinkSync('nowhere', join(root, `..draft-${'c'.repeat(16)}`));
    utimesSync(abandoned, NOW / 1000 - 60, NOW / 1000 - 60);
    swap(setOf(2));
    assert.equal(existsSync(abandoned), false);
    assert.equal(existsSync(fresh), true);
    assert.equal(readdirSync(root).filter((name) => name.startsWith('..draft')).length, 0);
    removeFiles(handle);
    assert.deepEqual(readdirSync(root), [], 'a removal leaves nothing at all');
  });

  test('a removal takes what is ours, and nothing else', () => {
    swap(setOf(1));
    writeFileSync(join(root, 'own'), 'of the pod');
    symlinkSync('own', join(root, 'alias'));
    removeFiles(handle);
    removeFiles(handle);
    assert.deepEqual(readdirSync(root).toSorted(), ['alias', 'own']);
  });

  test('links that the pod puts in the way are replaced, never followed', () => {
    writeFileSync(join(outside, 'victim'), 'untouched');
    symlinkSync(join(outside, 'victim'), join(root, 'tls.key'));
    symlinkSync(outside, join(root, '..data'));
    swap(setOf(1));
    assert.equal(read('tls.key'), 'key 1');
    assert.equal(readFileSync(join(outside, 'victim'), 'utf8'), 'untouched');
    assert.deepEqual(readdirSync(outside), ['victim']);
  });

  test('a set that the pod has exchanged for a link leads a removal nowhere', () => {
    swap(setOf(1));
    const [set = ''] = sets();
    rmSync(join(root, set), { recursive: true });
    writeFileSync(join(outside, 'tls.key'), 'untouched');
    symlinkSync(outside, join(root, set));
    removeFiles(handle);
    assert.deepEqual(readdirSync(outside), ['tls.key']);
    assert.deepEqual(readdirSync(root), []);
  });

  test('a directory in the place of a name is an error, and what was in force stays', () => {
    swap([file('tls.crt', 'chain 1')]);
    mkdirSync(join(root, 'tls.key'));
    assert.throws(() => swap(setOf(2)));
    assert.equal(read('tls.crt'), 'chain 1');
    assert.equal(sets().length, 1);
    rmSync(join(root, '..data'));
    rmSync(join(root, 'tls.key'), { recursive: true });
    mkdirSync(join(root, '..data'));
    assert.throws(() => swap(setOf(3)));
    assert.deepEqual(
      readdirSync(root).filter((name) => name.startsWith('..') && name !== '..data'),
      [sets()[0]],
      'only what was there before',
    );
  });

  test('of a directory that the pod has filled, only so much is looked at', () => {
    for (let index = 0; index < 1500; index += 1) writeFileSync(join(root, `f${index}`), '');
    swap(setOf(1));
    swap(setOf(2));
    assert.equal(read('tls.key'), 'key 2');
    assert.equal(sets().length, 1, 'the set before is found by its name');
    removeFiles(handle);
    assert.equal(sets().length, 0);
    assert.equal(readdirSync(root).filter((name) => name.startsWith('f')).length, 1500);
  });

  test('of sets that the pod has planted, one pass removes so much, and the next ones the rest', () => {
    const planted = Array.from({ length: 4 }, (_, at) =>
      join(root, `..signet-${String(at).repeat(16)}`),
    );
    for (const path of planted) {
      mkdirSync(path);
      for (let index = 0; index < 400; index += 1) writeFileSync(join(path, `f${index}`), '');
      utimesSync(path, NOW / 1000 - 60, NOW / 1000 - 60);
    }
    const left = () =>
      planted.filter((path) => existsSync(path)).flatMap((path) => readdirSync(path)).length;
    let before = left();
    for (let pass = 1; left() > 0; pass += 1) {
      swap(setOf(pass), NOW + pass * 60_000);
      assert.equal(read('tls.key'), `key ${pass}`);
      assert.ok(before - left() <= 512, `${before - left()} removed in one pass`);
      assert.ok(left() < before, 'each pass comes further');
      before = left();
    }
  });
});
