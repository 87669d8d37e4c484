// What lies on the plugin's paths besides its own files: mounts of another driver, and a full disk.
// Each plugin runs in a mount namespace of its own, where it is root and nobody else is touched.

import assert from 'node:assert/strict';
import { type ChildProcess, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, suite, test } from 'node:test';
import { FakeKubelet, type PublishRequest } from '../../fakes/fake-kubelet.ts';
import { endProcess, runPluginProcess } from './run-plugin-process.ts';
import { greetingIn } from './volumes-harness.ts';

const hasNamespaces = spawnSync('unshare', ['-rm', 'true']).status === 0;
const skip =
  hasNamespaces || process.env['CI'] === 'true' ? false : 'needs unprivileged mount namespaces';

suite('in a mount namespace', { skip }, () => {
  let kubelet: FakeKubelet;
  let plugin: ChildProcess | undefined;
  beforeEach(() => {
    kubelet = new FakeKubelet();
  });
  afterEach(async () => {
    if (plugin !== undefined) await endProcess(plugin, 'SIGKILL');
    kubelet.close();
  });

  const recordsDirectory = () => join(kubelet.root, 'plugins/signet.dev/csi.spiffe.io/volumes');

  /** Runs `script` as root of a new mount namespace, then the plugin in its place. */
  async function startWithin(script: string): Promise<void> {
    if (plugin !== undefined) await endProcess(plugin, 'SIGKILL');
    kubelet.hangUp();
    const issuer = `unix:${join(kubelet.root, 'nobody.sock')}`;
    const within = ['unshare', '-rm', 'sh', '-ec', `${script}\nexec "$@"`, 'sh'];
    plugin = await runPluginProcess(
      { kubeletRoot: kubelet.root, issuer, publishWaitMs: 0 },
      within,
    );
  }

  /** A path as the plugin sees it. */
  const seenByPlugin = (path: string) => `/proc/${plugin?.pid}/root${path}`;

  const unpublish = async ({ volumeId, targetPath }: PublishRequest) =>
    await kubelet.node.nodeUnpublishVolume({ volumeId, targetPath });

  test('a mount of another driver on the target: nothing is bound, written or removed in it', async () => {
    const request = kubelet.request();
    const shared = join(kubelet.root, 'shared');
    mkdirSync(shared);
    for (const name of ['spire-agent.sock', 'agent.sock', 'other']) {
      writeFileSync(join(shared, name), name);
    }
    mkdirSync(request.targetPath);
    await startWithin(`mount --bind ${shared} ${request.targetPath}`);
    assert.deepEqual(readdirSync(seenByPlugin(request.targetPath)).length, 3, 'it is mounted');
    for (let turn = 0; turn < 2; turn += 1) {
      await assert.rejects(kubelet.node.nodePublishVolume(request), {
        code: 'unavailable',
        message: /is a mount of another driver/,
      });
      await assert.rejects(unpublish(request), { code: 'unavailable' });
    }
    assert.deepEqual(readdirSync(shared).toSorted(), ['agent.sock', 'other', 'spire-agent.sock']);
    assert.equal(readFileSync(join(shared, 'spire-agent.sock'), 'utf8'), 'spire-agent.sock');
    assert.deepEqual(readdirSync(recordsDirectory()), []);
    const own = kubelet.request();
    await kubelet.node.nodePublishVolume(own);
    assert.ok(existsSync(join(own.targetPath, 'spire-agent.sock')), 'others are served');
  });

  test('a recorded volume that another driver has mounted over is left alone at the start', async () => {
    const request = kubelet.request();
    await startWithin('');
    await kubelet.node.nodePublishVolume(request);
    const shared = join(kubelet.root, 'shared');
    mkdirSync(shared);
    await startWithin(`mount --bind ${shared} ${request.targetPath}`);
    assert.deepEqual(readdirSync(shared), []);
    assert.equal(await greetingIn(request.targetPath), 'ECONNREFUSED', 'the old name, unserved');
  });

  test('KU-10: a full disk is Unavailable and leaves nothing; with room again the publish goes through', async () => {
    const request = kubelet.request();
    mkdirSync(recordsDirectory(), { recursive: true });
    await startWithin(
      `mount -t tmpfs -o size=16k tmpfs ${recordsDirectory()}\n` +
        `dd if=/dev/zero of=${recordsDirectory()}/filler bs=4k 2>/dev/null || true`,
    );
    await assert.rejects(kubelet.node.nodePublishVolume(request), {
      code: 'unavailable',
      message: /ENOSPC/,
    });
    assert.equal(existsSync(request.targetPath), false);
    assert.deepEqual(readdirSync(seenByPlugin(recordsDirectory())), ['filler']);
    rmSync(join(seenByPlugin(recordsDirectory()), 'filler'));
    await kubelet.node.nodePublishVolume(request);
    assert.ok(existsSync(join(request.targetPath, 'spire-agent.sock')));
    await unpublish(request);
  });

  test('no room for the directory itself: Unavailable, and the record is taken back', async () => {
    const request = kubelet.request();
    const parent = join(request.targetPath, '..');
    await startWithin(`mount -t tmpfs -o nr_inodes=1 tmpfs ${parent}`);
    await assert.rejects(kubelet.node.nodePublishVolume(request), {
      code: 'unavailable',
      message: /ENOSPC/,
    });
    assert.deepEqual(readdirSync(recordsDirectory()), []);
  });

  test('no room for the socket: the directory is taken back as well', async () => {
    const request = kubelet.request();
    const parent = join(request.targetPath, '..');
    await startWithin(`mount -t tmpfs -o nr_inodes=2 tmpfs ${parent}`);
    await assert.rejects(kubelet.node.nodePublishVolume(request), { code: 'unavailable' });
    assert.deepEqual(readdirSync(seenByPlugin(parent)), []);
    assert.deepEqual(readdirSync(recordsDirectory()), []);
  });
});
