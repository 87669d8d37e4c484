// A plugin that is killed while it exchanges files: at every moment a reader sees one whole set, and
// what the dead one left is gone after the next exchange.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { removeFiles, swapFiles } from '../../../src/node/files/swap-files.ts';
import { DirectoryHandle } from '../../../src/node/volume/directory-handle.ts';

const SOURCES = join(import.meta.dirname, '../../../src/node');
const NAMES = ['tls.crt', 'tls.key', 'token'];
const ROUNDS = 8;

/** Exchanges sets for as long as it lives; each file holds the number of its set. */
const WRITER = `
const { DirectoryHandle } = await import('${SOURCES}/volume/directory-handle.ts');
const { swapFiles } = await import('${SOURCES}/files/swap-files.ts');
const directory = DirectoryHandle.openRoot(process.argv[1]);
for (let set = 0; ; set += 1) {
  const bytes = Buffer.from(String(process.pid) + '-' + String(set));
  const files = ${JSON.stringify(NAMES)}.map((name) => ({ name, bytes, secret: true }));
  swapFiles(directory, files, { group: undefined, now: Date.now() });
  if (set === 0) process.stdout.write('writing');
}`;

/** All files of the set in force, by one look at where \`..data\` leads; undefined when it is gone. */
function readSet(directory: string): readonly string[] | undefined {
  try {
    const set = join(directory, readlinkSync(join(directory, '..data')));
    return NAMES.map((name) => readFileSync(join(set, name), 'utf8'));
  } catch (thrown) {
    if (thrown instanceof Error && 'code' in thrown && thrown.code === 'ENOENT') return undefined;
    throw thrown;
  }
}

test('killed at any moment, it leaves one whole set in force and rubbish that the next one clears', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'signet-crash-'));
  let looks = 0;
  const look = () => {
    const set = readSet(directory);
    if (set === undefined) return;
    looks += 1;
    assert.equal(new Set(set).size, 1, `torn: ${set.join(', ')}`);
  };
  try {
    for (let round = 0; round < ROUNDS; round += 1) {
      const args = ['--conditions=source', '--input-type=module', '-e', WRITER, directory];
      const writer = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
      await once(writer.stdout, 'data');
      const until = performance.now() + 30 + Math.random() * 60;
      while (performance.now() < until) look();
      writer.kill('SIGKILL');
      await once(writer, 'exit');
      assert.notEqual(readSet(directory), undefined, 'there is always a set');
      look();
    }
    assert.ok(looks > ROUNDS * 10);
    const handle = DirectoryHandle.openRoot(directory);
    const files = NAMES.map((name) => ({ name, bytes: Buffer.from('last'), secret: true }));
    swapFiles(handle, files, { group: undefined, now: Date.now() + 60_000 });
    assert.equal(readdirSync(directory).filter((name) => name.startsWith('..')).length, 2);
    assert.deepEqual(readSet(directory), ['last', 'last', 'last']);
    removeFiles(handle);
    handle.close();
    assert.deepEqual(readdirSync(directory), []);
  } finally {
    rmSync(directory, { recursive: true });
  }
});
