// The plugin with what its pod has: root without any capability, a root file system that cannot be
// written, and three directories of the kubelet. Needs mount namespaces, where nobody else is touched.

import assert from 'node:assert/strict';
import { type ChildProcess, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import {
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
} from 'node:fs';
import { connect } from 'node:net';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, suite, test } from 'node:test';
import { FakeKubelet } from '../../fakes/fake-kubelet.ts';
import { endProcess, runPluginProcess } from './run-plugin-process.ts';

const WITHOUT_CAPABILITIES = 'setpriv --bounding-set=-all --inh-caps=-all --no-new-privs';
const works =
  spawnSync('unshare', ['-rm', 'sh', '-c', `${WITHOUT_CAPABILITIES} true`]).status === 0;
const skip = works || process.env['CI'] === 'true' ? false : 'needs mount namespaces and setpriv';

suite('V10, CS-18, KU-14: root without capabilities, three writable directories', { skip }, () => {
  let kubelet: FakeKubelet;
  const plugins: ChildProcess[] = [];
  beforeEach(() => {
    kubelet = new FakeKubelet();
    mkdirSync(pluginDirectory(), { recursive: true });
  });
  afterEach(async () => {
    for (const plugin of plugins.splice(0)) await endProcess(plugin, 'SIGKILL');
    kubelet.close();
  });

  const pluginDirectory = () => dirname(kubelet.csiSocket);
  const records = () => readdirSync(join(pluginDirectory(), 'volumes'));

  async function start(): Promise<ChildProcess> {
    const writable = [join(kubelet.root, 'pods'), pluginDirectory(), registry()];
    const script = [
      ...writable.map((path) => `mount --bind ${path} ${path}`),
      'mount -o remount,bind,ro /',
      `exec ${WITHOUT_CAPABILITIES} "$@"`,
    ].join('\n');
    const issuer = `unix:${join(kubelet.root, 'nobody.sock')}`;
    const plugin = await runPluginProcess({ kubeletRoot: kubelet.root, issuer, publishWaitMs: 0 }, [
      'unshare',
      '-rm',
      'sh',
      '-ec',
      script,
      'sh',
    ]);
    plugins.push(plugin);
    return plugin;
  }

  /** Fails where nobody listens. */
  async function connects(target: string): Promise<void> {
    const link = join(kubelet.root, 'link');
    symlinkSync(target, link);
    const connection = connect(join(link, 'spire-agent.sock'));
    await once(connection, 'connect');
    connection.destroy();
  }

  const registry = () => join(kubelet.root, 'plugins_registry');

  test('KU-24: it publishes, is replaced by another one, and unpublishes without a trace', async () => {
    const older = await start();
    const status = readFileSync(`/proc/${older.pid}/status`, 'utf8');
    assert.match(status, /^CapEff:\s0+$/m);
    assert.match(status, /^CapBnd:\s0+$/m);
    const request = kubelet.request();
    await kubelet.node.nodePublishVolume(request);
    const socket = join(request.targetPath, 'spire-agent.sock');
    const inode = lstatSync(socket).ino;
    // Without an issuer it waits until the older one ends.
    const newer = start();
    await endProcess(older, 'SIGTERM');
    await newer;
    assert.notEqual(lstatSync(socket).ino, inode);
    assert.equal(statSync(socket).mode & 0o777, 0o777, 'KU-24: any user may connect');
    assert.equal(statSync(request.targetPath).mode & 0o777, 0o755);
    assert.deepEqual(readdirSync(registry()), ['csi.spiffe.io-reg.sock']);
    await connects(request.targetPath);
    kubelet.hangUp();
    await kubelet.node.nodePublishVolume(request);
    const { volumeId, targetPath } = request;
    await kubelet.node.nodeUnpublishVolume({ volumeId, targetPath });
    assert.equal(existsSync(targetPath), false);
    assert.deepEqual(records(), []);
  });

  test('KU-21: an unpublish that comes while no plugin runs is done by the next one', async () => {
    const first = await start();
    const [ended, removed] = [kubelet.request(), kubelet.request()];
    for (const request of [ended, removed]) await kubelet.node.nodePublishVolume(request);
    await endProcess(first, 'SIGKILL');
    kubelet.hangUp();
    const call = { volumeId: ended.volumeId, targetPath: ended.targetPath };
    await assert.rejects(kubelet.node.nodeUnpublishVolume(call), { code: 'unavailable' });
    spawnSync('rm', ['-r', removed.targetPath]);
    kubelet.hangUp();
    await start();
    assert.deepEqual(
      records(),
      [`${ended.volumeId}.json`],
      'a record without directory is dropped',
    );
    await kubelet.node.nodeUnpublishVolume(call);
    assert.equal(existsSync(ended.targetPath), false);
    assert.deepEqual(readdirSync(dirname(ended.targetPath)), []);
    assert.deepEqual(records(), []);
  });
});
