// Who may use a run directory, one at a time, and the short links in it.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import { RunDirectory } from '../../../src/dev/run-directory.ts';

const MODULE = join(import.meta.dirname, '../../../src/dev/run-directory.ts');

let root: string;
let path: string;
const open = () => RunDirectory.open({ manifests: root, runDir: path, base: root });

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'signet-run-'));
  path = join(root, 'run');
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

test('the default is below the base, for one user and one directory of manifests', () => {
  const run = RunDirectory.open({ manifests: root, base: root });
  const uid = process.getuid?.() ?? 0;
  assert.match(run.path.slice(root.length), new RegExp(`^/signet-${uid}-[0-9a-f]{10}$`));
  assert.equal(lstatSync(run.path).mode & 0o777, 0o700);
  run.close();
});

test('it is held by one, and free after it', () => {
  const first = open();
  assert.throws(open, {
    code: 'invalid-argument',
    message: `--run-dir: ${path} is in use by process ${process.pid}`,
  });
  assert.deepEqual(readdirSync(path).toSorted(), ['kubelet', 'lock-1', 'pods']);
  first.close();
  open().close();
  assert.deepEqual(readdirSync(path).toSorted(), ['kubelet', 'lock-2', 'pods']);
});

test('of many that find a stale lock, one gets it', async () => {
  for (let round = 0; round < 5; round += 1) {
    rmSync(path, { recursive: true, force: true });
    mkdirSync(path, { mode: 0o700 });
    writeFileSync(join(path, 'lock-1'), '1 1\n');
    const program = `
      import { RunDirectory } from ${JSON.stringify(MODULE)};
      process.stdout.write('ready');
      process.stdin.once('data', () => {
        try {
          RunDirectory.open({ manifests: '/', runDir: ${JSON.stringify(path)}, base: '/' });
          process.stdout.write('got it');
        } catch (thrown) {
          process.stdout.write(thrown.message);
        }
      });`;
    const args = ['--conditions=source', '--input-type=module', '--eval', program];
    const children = Array.from({ length: 6 }, () => spawn(process.execPath, args));
    await Promise.all(children.map(async ({ stdout }) => await once(stdout, 'data')));
    const answers = children.map(async ({ stdout }) => String(await once(stdout, 'data')));
    for (const { stdin } of children) stdin.write('go');
    const said = await Promise.all(answers);
    for (const child of children) child.kill('SIGKILL');
    assert.equal(said.filter((answer) => answer === 'got it').length, 1, said.join('\n'));
    assert.equal(said.filter((answer) => / is in use by /.test(answer)).length, 5, said.join('\n'));
  }
});

test('a run directory that is a link, or a file, is refused', () => {
  mkdirSync(join(root, 'elsewhere'), { mode: 0o700 });
  symlinkSync(join(root, 'elsewhere'), path);
  assert.throws(open, { message: `--run-dir: ${path} is not a directory` });
  assert.deepEqual(readdirSync(join(root, 'elsewhere')), []);
});

test('links are short, different for different pods, replaced, and dropped when dangling', () => {
  const run = open();
  const long = 'x'.repeat(253);
  const volumes = ['one', 'two'].map((name) => join(root, name));
  for (const volume of volumes) mkdirSync(volume);
  const [one = '', two = ''] = volumes;
  const link = (name: string, volume: string) => run.linkSocket({ namespace: 'n', name }, volume);
  const sockets = [link('a', one), link(`${long}a`, one), link(`${long}b`, one), link('b', two)];
  assert.equal(new Set(sockets).size, 4);
  for (const socket of sockets) assert.ok(Buffer.byteLength(socket) <= 107, socket);
  assert.equal(link('a', two), sockets[0]);
  assert.equal(readlinkSync(join(path, 'pods/n.a')), two);

  run.unlinkSocket({ namespace: 'n', name: 'b' });
  assert.equal(existsSync(join(path, 'pods/n.b')), false);
  rmSync(one, { recursive: true });
  run.unlinkDangling();
  assert.deepEqual(readdirSync(join(path, 'pods')), ['n.a']);
  run.close();
});
