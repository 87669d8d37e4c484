// What ships, built anew: which code each command's process loads, and that the program runs where
// there is nothing but its files.

import assert from 'node:assert/strict';
import { execFile, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, before, test } from 'node:test';
import type { Metafile } from 'esbuild';
import { buildProgram } from '../../../scripts/build.ts';
import { loadedBy } from './bundle-contents.ts';
import { CONTENTS } from './bundle-table.ts';

const ENTRY_OPTIONS = ['--disable-sigusr1', '--disable-proto=throw', '--no-addons'];

let directory: string;
let metafile: Metafile;
before(async () => {
  directory = mkdtempSync(join(tmpdir(), 'signet-build-'));
  metafile = await buildProgram(directory);
});
after(() => rmSync(directory, { recursive: true }));

for (const { command, has, hasNot } of CONTENTS) {
  test(`${command}: what its process loads`, () => {
    const sources = [...loadedBy(metafile, command)];
    for (const start of has) {
      assert.ok(
        sources.some((source) => source.startsWith(start)),
        `lacks ${start}`,
      );
    }
    assert.deepEqual(
      sources.filter((source) => hasNot.some((start) => source.startsWith(start))),
      [],
    );
  });
}

test('every command is in the table', () => {
  const entries = Object.values(metafile.outputs).flatMap(({ entryPoint }) => entryPoint ?? []);
  assert.deepEqual(entries.toSorted(), CONTENTS.map(({ command }) => command).toSorted());
});

test('every file has a source map', () => {
  const files = readdirSync(directory, { recursive: true, encoding: 'utf8' });
  const programs = files.filter((name) => name.endsWith('.mjs'));
  assert.ok(programs.length > 3);
  for (const name of programs) assert.ok(files.includes(`${name}.map`), name);
  assert.ok(statSync(join(directory, 'signet.mjs')).size < 10_000, 'the entry holds no command');
});

test('the program and each command run from the files alone', async () => {
  const help = await run('--help');
  assert.equal(help.code, 0, help.err);
  assert.match(help.out, /^usage: signet COMMAND/);
  for (const { command } of CONTENTS.slice(1)) {
    const name = command.replace(/^src\/cli\/(.*)\.ts$/, '$1');
    const { code, out, err } = await run(name, '--help');
    assert.equal(code, 0, err);
    assert.match(out, new RegExp(`^usage: signet ${name}`));
    assert.equal(err, '');
  }
});

test('kubectl finds the program as its plugin, through a link, with flags behind the verb', () => {
  const bin = join(directory, 'bin');
  mkdirSync(bin);
  symlinkSync(join(directory, 'kubectl-spiffe'), join(bin, 'kubectl-spiffe'));
  const env = { PATH: `${bin}:${dirname(process.execPath)}:/usr/bin:/bin` };
  const options = { cwd: bin, env, encoding: 'utf8' } as const;
  const help = spawnSync('kubectl-spiffe', ['explain', '--help'], options);
  assert.equal(help.status, 0, help.stderr);
  assert.match(help.stdout, /^usage: signet explain pod\/NAME/);
  const failed = spawnSync('kubectl-spiffe', ['explain', 'pod/a b', '--dir', '/nowhere'], options);
  assert.equal(failed.status, 2);
});

async function run(...args: readonly string[]) {
  return await new Promise<{ code: unknown; out: string; err: string }>((resolve) => {
    execFile(
      process.execPath,
      [...ENTRY_OPTIONS, join(directory, 'signet.mjs'), ...args],
      { cwd: directory, env: {} },
      (error, out, err) => resolve({ code: error?.code ?? 0, out, err }),
    );
  });
}
