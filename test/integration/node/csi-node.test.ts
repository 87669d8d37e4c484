// What the kubelet gets for its calls of the node service: volumes made, made again, and removed.

import assert from 'node:assert/strict';
import {
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  statSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import type { FakeKubelet, PublishRequest } from '../../fakes/fake-kubelet.ts';
import { Instances, uidOf } from './csi-fixtures.ts';
import { greetingIn, type Plugin } from './volumes-harness.ts';

let instances: Instances;
let kubelet: FakeKubelet;
let plugin: Plugin;

beforeEach(async () => {
  instances = new Instances();
  ({ kubelet } = instances);
  plugin = await instances.start();
});
afterEach(async () => await instances.stop());

test('V5, V12, KU-20, WE-26, CS-08: a publish makes the directory, the socket under every known name, and a record', async () => {
  const request = kubelet.request();
  await kubelet.node.nodePublishVolume(request);
  for (const name of ['spire-agent.sock', 'agent.sock', 'api.sock', 'socket']) {
    assert.equal(await greetingIn(request.targetPath, name), uidOf(request), name);
  }
  assert.equal(readlinkSync(join(request.targetPath, 'socket')), 'spire-agent.sock');
  assert.equal(statSync(request.targetPath).mode & 0o777, 0o755);
  const socket = lstatSync(join(request.targetPath, 'spire-agent.sock'));
  assert.ok(socket.isSocket());
  assert.equal(socket.mode & 0o777, 0o777, 'WE-26');
  assert.deepEqual(readdirSync(request.targetPath).toSorted(), [
    'agent.sock',
    'api.sock',
    'socket',
    'spire-agent.sock',
  ]);
  const record: unknown = JSON.parse(
    readFileSync(join(plugin.recordsDirectory, `${request.volumeId}.json`), 'utf8'),
  );
  assert.deepEqual(record, {
    volumeId: request.volumeId,
    targetPath: request.targetPath,
    podUid: uidOf(request),
    namespace: 'shop',
    podName: 'web-1',
    serviceAccount: 'default',
    volumeName: 'spiffe-workload-api',
    attributes: {},
  });
});

test('KU-19, CS-09: paths over 107 bytes that differ only behind that length stay apart', async () => {
  const volume = 'v'.repeat(60);
  const requests = ['a', 'b'].map((end) =>
    kubelet.request({ uid: `${'u'.repeat(100)}${end}`, volume }),
  );
  for (const request of requests) {
    assert.ok(request.targetPath.length > 180);
    await kubelet.node.nodePublishVolume(request);
  }
  for (const request of requests) {
    assert.equal(await greetingIn(request.targetPath), uidOf(request));
  }
});

test('V6, CS-06, KU-08, KU-13: ten publishes of one volume leave one socket and no mount', async () => {
  const request = kubelet.request();
  const mounts = readFileSync('/proc/self/mountinfo', 'utf8');
  await kubelet.node.nodePublishVolume(request);
  const before = lstatSync(join(request.targetPath, 'spire-agent.sock')).ino;
  for (let turn = 0; turn < 9; turn += 1) await kubelet.node.nodePublishVolume(request);
  assert.equal(lstatSync(join(request.targetPath, 'spire-agent.sock')).ino, before);
  assert.equal(readdirSync(request.targetPath).length, 4);
  assert.equal(readFileSync('/proc/self/mountinfo', 'utf8'), mounts);
});

test('CS-07: the same volume with other attributes is ALREADY_EXISTS, with other tokens it is not', async () => {
  const request = kubelet.request();
  await kubelet.node.nodePublishVolume(request);
  request.volumeContext['csi.storage.k8s.io/serviceAccount.tokens'] = '{"a":{"token":"x"}}';
  await kubelet.node.nodePublishVolume(request);
  request.volumeContext['signet.dev/require-identity'] = 'true';
  await assert.rejects(kubelet.node.nodePublishVolume(request), { code: 'already-exists' });
  assert.equal(await greetingIn(request.targetPath), uidOf(request));
});

test('KU-09: whatever is wrong with a repeated publish is nothing to remove a running pod’s volume for', async () => {
  const request = kubelet.request();
  await kubelet.node.nodePublishVolume(request);
  const { 'csi.storage.k8s.io/pod.name': _, ...withoutName } = request.volumeContext;
  const repeated: readonly PublishRequest[] = [
    { ...request, volumeContext: withoutName },
    { ...request, volumeContext: { ...request.volumeContext, 'signet.dev/later': 'true' } },
    { ...request, readonly: false },
  ];
  for (const repeat of repeated) {
    await assert.rejects(kubelet.node.nodePublishVolume(repeat), { code: 'unavailable' });
  }
  await instances.start();
  kubelet.hangUp();
  for (const repeat of repeated) {
    await assert.rejects(kubelet.node.nodePublishVolume(repeat), { code: 'unavailable' });
  }
  assert.equal(await greetingIn(request.targetPath), uidOf(request));
});

test('KU-05: tokens that come all the same are not written to the record', async () => {
  const request = kubelet.request();
  request.volumeContext['csi.storage.k8s.io/serviceAccount.tokens'] = '{"a":{"token":"canary"}}';
  request.secrets = { 'csi.storage.k8s.io/serviceAccount.tokens': 'canary' };
  await kubelet.node.nodePublishVolume(request);
  const record = readFileSync(join(plugin.recordsDirectory, `${request.volumeId}.json`), 'utf8');
  assert.doesNotMatch(record, /canary/);
});

test('V7, CS-13: unpublish removes what publish made; again, and for an unknown volume, it is OK', async () => {
  const request = kubelet.request();
  const { volumeId, targetPath } = request;
  await kubelet.node.nodePublishVolume(request);
  await kubelet.node.nodeUnpublishVolume({ volumeId, targetPath });
  assert.equal(existsSync(targetPath), false);
  assert.deepEqual(readdirSync(plugin.recordsDirectory), []);
  assert.equal(plugin.answers.events.at(-1), `unpublished ${uidOf(request)}`);
  await kubelet.node.nodeUnpublishVolume({ volumeId, targetPath });
  const other = kubelet.request();
  await kubelet.node.nodeUnpublishVolume({
    volumeId: other.volumeId,
    targetPath: other.targetPath,
  });
});

test('SA-04: unpublish without a volume id or target path is InvalidArgument', async () => {
  await assert.rejects(
    kubelet.node.nodeUnpublishVolume({ targetPath: '/x' }),
    /volume_id: missing/,
  );
  await assert.rejects(kubelet.node.nodeUnpublishVolume({ volumeId: 'x' }), /target_path: missing/);
});

test('unpublish never removes files that are not ours, and says so', async () => {
  const request = kubelet.request();
  const { volumeId, targetPath } = request;
  await kubelet.node.nodePublishVolume(request);
  writeFileSync(join(targetPath, 'precious'), 'x');
  mkdirSync(join(targetPath, 'left-by-subpath'));
  await assert.rejects(kubelet.node.nodeUnpublishVolume({ volumeId, targetPath }), {
    code: 'unavailable',
    message: /holds files that are not ours/,
  });
  assert.deepEqual(readdirSync(targetPath), ['precious'], 'empty foreign directories do go');
  unlinkSync(join(targetPath, 'precious'));
  await kubelet.node.nodeUnpublishVolume({ volumeId, targetPath });
  assert.equal(existsSync(targetPath), false);
});

test('V8, CS-01, CS-05: the identity and the node answer for themselves', async () => {
  const info = await kubelet.node.nodeGetInfo({});
  assert.equal(info.nodeId, 'node-1');
  assert.deepEqual((await kubelet.node.nodeGetCapabilities({})).capabilities, []);
});
