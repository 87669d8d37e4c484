import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import { DirectoryHandle } from '../../../../src/node/volume/directory-handle.ts';

let root: string;
let handle: DirectoryHandle;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'signet-directory-'));
  handle = DirectoryHandle.openRoot(root);
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

test('the number of a closed descriptor is never used again', () => {
  handle.close();
  for (const use of [
    () => handle.pathOf('x'),
    () => handle.mountId,
    () => handle.list(),
    () => handle.close(),
    () => handle.makeChild('x', 0o700),
  ]) {
    assert.throws(use, TypeError);
  }
});

test('walking leaves no descriptor open, whether it succeeds, ends early or meets a symlink', () => {
  mkdirSync(join(root, 'a/b'), { recursive: true });
  symlinkSync('/tmp', join(root, 'a/link'));
  const open = () => readdirSync('/proc/self/fd').length;
  const before = open();
  handle.walk(['a', 'b'])?.close();
  assert.equal(handle.walk(['a', 'missing', 'c']), undefined);
  assert.throws(() => handle.walk(['a', 'link', 'c']), { code: 'invalid-argument' });
  assert.equal(open(), before);
  handle.close();
});
