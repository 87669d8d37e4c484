// Where keys may be written: into memory that the kubelet has mounted for the pod, by a plugin that is
// root without any capability. Each runs in a mount namespace of its own, where mounts can be made.

import assert from 'node:assert/strict';
import { type ChildProcess, spawnSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, suite, test } from 'node:test';
import { systemClock } from '../../../src/base/clock.ts';
import { FakeIssuer, podMessage } from '../../fakes/fake-issuer.ts';
import { FakeKubelet, type PublishRequest } from '../../fakes/fake-kubelet.ts';
import { TestAuthority } from '../../fakes/test-authority.ts';
import { until } from './node-harness.ts';
import { endProcess, runPluginProcess } from './run-plugin-process.ts';

const WITHOUT_CAPABILITIES = 'setpriv --bounding-set=-all --inh-caps=-all --no-new-privs';
const isRoot = process.getuid?.() === 0;
/** Root can give files to groups; others are root of a namespace that has one group only. */
const UNSHARE = isRoot ? ['unshare', '-m'] : ['unshare', '-rm'];
const works =
  spawnSync(UNSHARE[0] ?? '', [...UNSHARE.slice(1), 'sh', '-c', `${WITHOUT_CAPABILITIES} true`])
    .status === 0;
const skip = works || process.env['CI'] === 'true' ? false : 'needs mount namespaces and setpriv';

suite('files in memory', { skip }, () => {
  let kubelet: FakeKubelet;
  let issuer: FakeIssuer;
  let plugin: ChildProcess;
  beforeEach(async () => {
    kubelet = new FakeKubelet();
    const authority = await TestAuthority.create('example.org', Date.now());
    issuer = new FakeIssuer(join(kubelet.root, 'issuer.sock'), authority, systemClock);
    await issuer.start();
    plugin = await runPluginProcess(
      { kubeletRoot: kubelet.root, issuer: issuer.target, publishWaitMs: 900 },
      [...UNSHARE, 'sh', '-ec', `exec ${WITHOUT_CAPABILITIES} "$@"`, 'sh'],
    );
  });
  afterEach(async () => {
    await endProcess(plugin, 'SIGKILL');
    await issuer.stop();
    kubelet.close();
  });

  /** Runs a command where the plugin sees its result. */
  function within(...command: readonly string[]): void {
    const user = isRoot ? [] : ['-U', '--preserve-credentials'];
    const ran = spawnSync('nsenter', ['-t', String(plugin.pid), ...user, '-m', ...command]);
    assert.equal(ran.status, 0, `${command.join(' ')}: ${ran.stderr.toString()}`);
  }

  const mountMemory = (path: string, options = 'size=1m') =>
    within('mount', '-t', 'tmpfs', '-o', `mode=0777,${options}`, 'tmpfs', path);
  const seenByPlugin = (path: string) => `/proc/${plugin.pid}/root${path}`;

  function pod(attributes: Readonly<Record<string, string>> = {}) {
    const uid = randomUUID();
    const directory = kubelet.emptyDir(uid);
    issuer.pushPod(podMessage(uid, ['/a']));
    const request = kubelet.request({ uid });
    Object.assign(request.volumeContext, { 'signet.dev/files': 'true', ...attributes });
    return { directory, request };
  }

  const publish = async (request: PublishRequest) => await kubelet.node.nodePublishVolume(request);

  test('a directory on the disk gets no key: the publish is Unavailable and says what is missing', async () => {
    const { directory, request } = pod();
    await assert.rejects(publish(request), {
      code: 'unavailable',
      message: /signet\.dev\/files: the pod's emptyDir volume "signet-files" is not in memory/,
    });
    assert.deepEqual(readdirSync(directory), []);
    const missing = pod({ 'signet.dev/files-volume': 'other' });
    await assert.rejects(publish(missing.request), {
      code: 'unavailable',
      message: /emptyDir volume "other" with medium: Memory is not there/,
    });
  });

  test('memory that the kubelet mounts while it calls is waited for, and never on the disk below', async () => {
    const { directory, request } = pod();
    const answer = publish(request);
    await new Promise((resolve) => setTimeout(resolve, 200));
    mountMemory(directory);
    await answer;
    const key = readFileSync(seenByPlugin(join(directory, 'tls.key')), 'utf8');
    assert.match(key, /BEGIN PRIVATE KEY/);
    assert.deepEqual(readdirSync(directory), [], 'nothing below the mount');
    assert.equal(statSync(seenByPlugin(join(directory, 'tls.key'))).mode & 0o777, 0o600);
    const status = readFileSync(`/proc/${plugin.pid}/status`, 'utf8');
    assert.match(status, /^CapEff:\s0+$/m);
  });

  test('it is not held: the kubelet can unmount it, and what comes later is not put on the disk', async () => {
    const { directory, request } = pod();
    mountMemory(directory);
    await publish(request);
    within('umount', directory);
    const message = issuer.pods.get(request.volumeContext['csi.storage.k8s.io/pod.uid'] ?? '');
    assert.ok(message !== undefined);
    const signed = issuer.x509Requests.length;
    const entries = message.entries.map((entry) => ({
      ...entry,
      contentDigest: new Uint8Array([9]),
    }));
    issuer.pushPod({ ...message, version: 5n, entries });
    await until(() => issuer.x509Requests.length > signed);
    await new Promise((resolve) => setTimeout(resolve, 300));
    assert.deepEqual(readdirSync(directory), []);
    const { volumeId, targetPath } = request;
    await kubelet.node.nodeUnpublishVolume({ volumeId, targetPath });
  });

  test('a link in the place of the volume is not followed', async () => {
    const { directory, request } = pod();
    const elsewhere = kubelet.emptyDir(randomUUID());
    mountMemory(elsewhere);
    within('rmdir', directory);
    within('ln', '-s', elsewhere, directory);
    await assert.rejects(publish(request), { code: 'unavailable' });
    assert.deepEqual(readdirSync(seenByPlugin(elsewhere)), []);
  });

  test('no room: Unavailable, nothing of it is left, and with room it goes through', async () => {
    const { directory, request } = pod();
    mountMemory(directory, 'nr_inodes=5');
    await assert.rejects(publish(request), { code: 'unavailable', message: /ENOSPC/ });
    assert.deepEqual(readdirSync(seenByPlugin(directory)), []);
    within('mount', '-o', 'remount,nr_inodes=100', directory);
    await publish(request);
    assert.equal(readdirSync(seenByPlugin(directory)).length, 6);
  });

  test('keys are for the group that the kubelet gave the volume, and for no other', {
    skip: isRoot || process.env['CI'] === 'true' ? false : 'needs root, to set groups',
  }, async () => {
    const { directory, request } = pod({
      'signet.dev/fs-group': '4711',
      'signet.dev/jwt-audience': 'db',
    });
    mountMemory(directory);
    await assert.rejects(publish(request), {
      code: 'unavailable',
      message: /signet\.dev\/fs-group: the group of the emptyDir volume "signet-files" is 0/,
    });
    assert.deepEqual(readdirSync(seenByPlugin(directory)), []);
    // As the kubelet does for a pod with fsGroup.
    within('chgrp', '4711', directory);
    within('chmod', '2777', directory);
    await publish(request);
    for (const [name, mode] of [
      ['tls.key', 0o640],
      ['token', 0o640],
      ['tls.crt', 0o644],
    ] as const) {
      const stat = statSync(seenByPlugin(join(directory, name)));
      assert.deepEqual([stat.gid, stat.uid, stat.mode & 0o777], [4711, 0, mode], name);
    }
  });
});
