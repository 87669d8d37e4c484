// The run directory of dev mode: one process, one user, paths that sockets fit in, and a disk that
// may be full.

import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  chownSync,
  closeSync,
  mkdirSync,
  openSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join, relative } from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import { Messages } from '../node/node-harness.ts';
import { DevProcess, podManifest, policyManifest } from './dev-process.ts';

const USAGE = 2;
const LIMIT_MS = 10_000;
const isRoot = process.getuid?.() === 0;
const isCi = process.env['CI'] === 'true';

let dev: DevProcess;

beforeEach(() => {
  dev = new DevProcess({
    'policy.json': policyManifest('p', {
      spiffeIDTemplate: 'spiffe://example.org/{{ .PodMeta.Name }}',
    }),
    'web.json': podManifest('web'),
  });
});
afterEach(async () => await dev.close());

/** Starts a process that must refuse, and returns what it says. */
async function refusal(code = USAGE): Promise<string> {
  const child = dev.spawn();
  const [exit] = await once(child, 'close');
  const said = dev.lines.map(({ text }) => text).join('\n');
  assert.equal(exit, code, said);
  assert.equal(dev.lines.length, 1, said);
  return said;
}

async function served(pod: string): Promise<void> {
  const { socket } = await dev.pod(`shop/${pod}`);
  const stream = dev.workload(socket).fetchX509SVID({}, dev.call);
  const { svids } = await new Messages(stream).next();
  assert.equal(svids[0]?.spiffeId, `spiffe://example.org/${pod}`);
}

test('a second process on the same directory is refused, and the first one goes on', async () => {
  const first = dev;
  await first.start();
  await served('web');
  const second = new DevProcess();
  second.write('web.json', podManifest('web'));
  second.runDir = first.runDir;
  try {
    const child = second.spawn();
    const [exit] = await once(child, 'close');
    assert.equal(exit, USAGE);
    assert.deepEqual(
      second.lines.map(({ text }) => text.replace(/\d+$/, 'N')),
      [`signet dev: --run-dir: ${first.runDir} is in use by process N`],
    );
  } finally {
    await second.close();
  }
  await served('web');
});

test('a lock that a killed process left behind holds nobody up, whole or not', async () => {
  mkdirSync(dev.runDir, { mode: 0o700 });
  for (const [index, left] of ['', '1', `${process.pid} 1\n`, 'nonsense\n'].entries()) {
    writeFileSync(join(dev.runDir, `lock-${10 * (index + 1)}`), left);
    await dev.start();
    await served('web');
    await dev.end();
  }
});

test('a run directory that others may read is refused', async () => {
  mkdirSync(dev.runDir);
  chmodSync(dev.runDir, 0o755);
  assert.match(await refusal(), /is open to other users; make it mode 0700$/);
});

test('a run directory of another user is refused', {
  skip: isRoot || isCi ? false : 'needs root',
}, async () => {
  mkdirSync(dev.runDir, { mode: 0o700 });
  chownSync(dev.runDir, 65_534, 65_534);
  assert.match(await refusal(), /belongs to another user$/);
});

test('a run directory too deep for a socket is refused', async () => {
  dev.runDir = join(dev.root, 'x'.repeat(60));
  assert.match(await refusal(), /is longer than \d+ bytes, too long for sockets below it$/);
});

test('a directory of manifests that is not there is refused', async () => {
  const child = dev.spawn();
  await once(child, 'spawn');
  await dev.end('SIGKILL');
  await dev.close();
  assert.match(await refusal(), /manifests: no such directory$/);
});

const canMount = spawnSync('unshare', ['-rm', 'mount', '-t', 'tmpfs', 'none', '/mnt']).status === 0;

/** A small file system on the run directory, in a namespace that `enter` starts processes in. */
async function smallDisk(): Promise<{ enter: readonly string[]; inside: string; end: () => void }> {
  mkdirSync(dev.runDir, { mode: 0o700 });
  const mount = `mount -t tmpfs -o size=512k,mode=0700 none ${dev.runDir}`;
  const holder = spawn('unshare', ['-rm', 'sh', '-c', `${mount} && echo ready && read line`]);
  await once(holder.stdout, 'data', { signal: AbortSignal.timeout(LIMIT_MS) });
  const pid = String(holder.pid);
  const enter = ['nsenter', '-t', pid, '--user', '--mount', '--preserve-credentials'];
  return { enter, inside: `/proc/${pid}/root${dev.runDir}`, end: () => holder.kill('SIGKILL') };
}

/** Writes until nothing more fits. */
function fill(path: string): void {
  const fd = openSync(path, 'w');
  const piece = Buffer.alloc(1024);
  try {
    for (let written = 0; written < 1024; written += 1) writeSync(fd, piece);
    assert.fail('it is not full');
  } catch (thrown) {
    assert.equal((thrown as NodeJS.ErrnoException).code, 'ENOSPC');
  } finally {
    closeSync(fd);
  }
}

/** The root in the answer to a pod of the small disk. */
async function servedInside(pod: string, inside: string): Promise<string> {
  await dev.pod(`shop/${pod}`);
  const link = readlinkSync(join(inside, 'pods', `shop.${pod}`));
  // The way in is longer than a socket's path may be.
  const short = join(dev.root, `s${(links += 1)}`);
  symlinkSync(join(inside, relative(dev.runDir, link)), short);
  const workload = dev.workload(join(short, 'spire-agent.sock'));
  const { svids } = await new Messages(workload.fetchX509SVID({}, dev.call)).next();
  assert.equal(svids[0]?.spiffeId, `spiffe://example.org/${pod}`);
  return Buffer.from(svids[0].bundle).toString('hex');
}
let links = 0;

test('a full disk is said, breaks nothing, and is over when there is space', {
  skip: canMount || isCi ? false : 'needs unshare -rm',
}, async () => {
  const { enter, inside, end } = await smallDisk();
  const ballast = join(inside, 'ballast');
  try {
    fill(ballast);
    const child = dev.spawn([], enter);
    const [exit] = await once(child, 'close');
    const said = dev.lines.map(({ text }) => text);
    assert.notEqual(exit, 0);
    assert.match(said.at(-1) ?? '', /^signet dev: .*ENOSPC/, said.join('\n'));

    rmSync(ballast);
    await dev.start([], enter);
    const root = await servedInside('web', inside);

    fill(ballast);
    const from = dev.lines.length;
    dev.write('late.json', podManifest('late'));
    await dev.line(/ENOSPC|no space left|audit log cannot be written/, from);
    assert.equal(await servedInside('web', inside), root);
    rmSync(ballast);
    assert.equal(await servedInside('late', inside), root);

    fill(ballast);
    await dev.end('SIGKILL');
    const again = dev.spawn([], enter);
    await once(again, 'close');
    assert.notEqual(again.exitCode, 0);
    rmSync(ballast);
    await dev.start([], enter);
    assert.equal(await servedInside('late', inside), root);
    assert.equal(await servedInside('web', inside), root);
  } finally {
    await dev.end('SIGKILL');
    end();
  }
});
