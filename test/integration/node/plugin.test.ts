// The whole plugin: how it starts, registers, hands over, is killed and ends.

import assert from 'node:assert/strict';
import type { ChildProcess } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import {
  existsSync,
  lstatSync,
  readdirSync,
  rmSync,
  statSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import { systemClock } from '../../../src/base/clock.ts';
import { CodedError } from '../../../src/base/errors.ts';
import { silentLogger } from '../../../src/base/log.ts';
import { runNodePlugin } from '../../../src/node/main.ts';
import { parseTrustDomain } from '../../../src/spiffe/spiffe-id.ts';
import { Identity } from '../../../src/transport/gen/csi/csi_pb.ts';
import { Registration } from '../../../src/transport/gen/kubelet/plugin_registration_pb.ts';
import { createGrpcClient, type GrpcClient } from '../../../src/transport/grpc/grpc-client.ts';
import { podMessage } from '../../fakes/fake-issuer.ts';
import { during, Messages, NodeHarness, until } from './node-harness.ts';
import { endProcess, runPluginProcess } from './run-plugin-process.ts';

let node: NodeHarness;
let registration: GrpcClient<typeof Registration>;
const children: ChildProcess[] = [];
beforeEach(async () => {
  node = await NodeHarness.start();
  registration = createGrpcClient(Registration, { target: `unix:${registrationSocket()}` });
});
afterEach(async () => {
  for (const child of children.splice(0)) await endProcess(child, 'SIGKILL');
  registration.close();
  await node.stop();
});

const registrationSocket = () => join(node.kubelet.root, 'plugins_registry/csi.spiffe.io-reg.sock');
const inodeOf = (path: string) => lstatSync(path).ino;

test('RG-01, RG-02, RG-07, CS-17: the kubelet finds the CSI socket, which answers, and nobody else may', async () => {
  const info = await registration.getInfo({});
  assert.equal(info.type, 'CSIPlugin');
  assert.equal(info.name, 'csi.spiffe.io');
  assert.equal(info.endpoint, node.kubelet.csiSocket);
  assert.match(info.endpoint, /\.sock$/);
  assert.deepEqual(info.supportedVersions, ['1.0.0']);
  assert.equal((await node.kubelet.node.nodeGetInfo({})).nodeId, 'node-1');
  assert.equal(statSync(registrationSocket()).mode & 0o777, 0o600);
  assert.equal(statSync(node.kubelet.csiSocket).mode & 0o777, 0o600);
  assert.deepEqual(readdirSync(join(node.kubelet.root, 'plugins_registry')), [
    'csi.spiffe.io-reg.sock',
  ]);
});

test('V1, V9, CS-01 to CS-04: the CSI identity service', async () => {
  const identity = createGrpcClient(Identity, { target: `unix:${node.kubelet.csiSocket}` });
  const info = await identity.getPluginInfo({});
  assert.deepEqual([info.name, info.vendorVersion], ['csi.spiffe.io', '1.2.3']);
  assert.deepEqual((await identity.getPluginCapabilities({})).capabilities, []);
  assert.equal((await identity.probe({})).ready, true);
  identity.close();
});

test('RG-06: a registration socket that somebody removed is put back', async () => {
  unlinkSync(registrationSocket());
  await node.clock.advance(3000);
  await until(() => existsSync(registrationSocket()));
  await registration.getInfo({});
});

test('a CSI socket that somebody removed is put back, and stays away after the end', async () => {
  unlinkSync(node.kubelet.csiSocket);
  await until(
    () => existsSync(node.kubelet.csiSocket),
    async () => await node.clock.advance(1000),
  );
  node.kubelet.hangUp();
  assert.equal((await node.kubelet.node.nodeGetInfo({})).nodeId, 'node-1');
  await node.stopFirst();
  assert.equal(existsSync(node.kubelet.csiSocket), false);
});

test('RG-03: refused, it shows itself anew until five minutes are over, then the process ends', async () => {
  const before = inodeOf(registrationSocket());
  await registration.notifyRegistrationStatus({ pluginRegistered: false, error: 'no' });
  await node.clock.advance(3000);
  await until(() => inodeOf(registrationSocket()) !== before);
  const stopped = assert.rejects(node.ended, { code: 'failed-precondition' });
  await until(
    () => !existsSync(registrationSocket()),
    async () => await node.clock.advance(3000),
  );
  await stopped;
});

test('RG-03: a refusal that is followed by a success is forgotten', async () => {
  await registration.notifyRegistrationStatus({ pluginRegistered: false, error: 'no' });
  await registration.notifyRegistrationStatus({ pluginRegistered: true });
  const before = inodeOf(registrationSocket());
  await node.clock.advance(600_000);
  assert.equal(inodeOf(registrationSocket()), before);
});

test('RG-04, RG-06: the older of two instances yields for good, and takes nothing away when it goes', async () => {
  const newer = await node.startPlugin();
  const inode = inodeOf(registrationSocket());
  await node.clock.advance(30_000);
  assert.equal(inodeOf(registrationSocket()), inode, 'the older does not take it back');
  await node.stopFirst();
  assert.equal(inodeOf(registrationSocket()), inode);
  assert.ok(existsSync(node.kubelet.csiSocket));
  assert.equal((await node.kubelet.node.nodeGetInfo({})).nodeId, 'node-1');
  await newer();
  assert.equal(existsSync(registrationSocket()), false);
});

test('RG-06: the instance that yielded goes on serving, and takes no name back', async () => {
  const uid = randomUUID();
  node.issuer.pushPod(podMessage(uid, ['/a']));
  const { workload } = await node.publish({ uid });
  const stream = new Messages(workload.fetchX509SVID({}, node.call));
  await stream.next();
  const newer = await node.startPlugin();
  let hasEnded = false;
  void node.ended.then(() => {
    hasEnded = true;
  });
  for (let count = 0; count < 10; count += 1) await node.clock.advance(3000);
  assert.equal(hasEnded, false, 'an end would be followed by a start, which takes the names again');
  node.issuer.pushPod(podMessage(uid, ['/a', '/b'], { version: 2n }));
  assert.equal((await stream.next()).svids.length, 2);
  await newer();
  for (let count = 0; count < 10; count += 1) await node.clock.advance(3000);
  assert.equal(existsSync(registrationSocket()), false);
  assert.equal(existsSync(node.kubelet.csiSocket), false);
});

test('RG-04, F-08: an orderly end: streams get Unavailable, registration goes, pods’ sockets stay', async () => {
  const uid = randomUUID();
  node.issuer.pushPod(podMessage(uid, ['/a']));
  const { request, workload } = await node.publish({ uid });
  const stream = new Messages(workload.fetchX509SVID({}, node.call));
  await stream.next();
  const ended = assert.rejects(stream.next(), { code: 'unavailable' });
  await node.stopFirst();
  await ended;
  assert.equal(existsSync(registrationSocket()), false);
  assert.equal(existsSync(node.kubelet.csiSocket), false);
  assert.ok(lstatSync(join(request.targetPath, 'spire-agent.sock')).isSocket());
  await node.startPlugin();
  await new Messages(node.workload(request).fetchX509SVID({}, node.call)).next();
});

test('a publish that is held when the plugin ends is answered with what the kubelet retries', async () => {
  const publish = assert.rejects(node.publish(), ({ code }: { code: string }) =>
    ['aborted', 'unavailable'].includes(code),
  );
  await until(() => node.issuer.reports.some(({ report }) => report.case === 'published'));
  await node.stopFirst();
  await publish;
});

test('KU-16, KU-17: without an issuer, recorded volumes are served and the kubelet is answered all the same', async () => {
  const uid = randomUUID();
  node.issuer.pushPod(podMessage(uid, ['/a']));
  const { request } = await node.publish({ uid });
  await node.stopFirst();
  await node.issuer.stop();
  await node.startPlugin();
  await node.kubelet.node.nodePublishVolume(request);
  const early = new Messages(node.workload(request).fetchX509SVID({}, node.call)).next();
  const late = during(early, async () => await node.clock.advance(1000));
  await assert.rejects(late, { code: 'unavailable' }, 'KU-17: never PermissionDenied');
});

test('two plugins take turns on a volume: every connect is answered, with the pod’s identity', async () => {
  const uid = randomUUID();
  node.issuer.pushPod(podMessage(uid, ['/a']));
  const { request } = await node.publish({ uid });
  let stop = node.stopFirst;
  for (let turn = 0; turn < 5; turn += 1) {
    const next = await node.startPlugin();
    await stop();
    const message = await new Messages(node.workload(request).fetchX509SVID({}, node.call)).next();
    assert.equal(message.svids[0]?.spiffeId, 'spiffe://example.org/a');
    stop = next;
  }
});

test('KU-03: pod info that is not what the issuer knows by that uid is InvalidArgument', async () => {
  const uid = randomUUID();
  node.issuer.pushPod(podMessage(uid, ['/a']));
  await until(() => node.issuer.x509Requests.length === 1);
  for (const other of [{ name: 'other' }, { namespace: 'other' }]) {
    await assert.rejects(node.publish({ uid, ...other }), { code: 'invalid-argument' });
  }
});

test('two volumes of one pod show the same identity; the last one to go ends it', async () => {
  const uid = randomUUID();
  node.issuer.pushPod(podMessage(uid, ['/a']));
  const first = await node.publish({ uid });
  const second = await node.publish({ uid, volume: 'other' });
  const get = async (workload: typeof first.workload) =>
    (await new Messages(workload.fetchX509SVID({}, node.call)).next()).svids[0]?.x509Svid;
  assert.deepEqual(await get(first.workload), await get(second.workload));
  const { volumeId, targetPath } = first.request;
  await node.kubelet.node.nodeUnpublishVolume({ volumeId, targetPath });
  assert.ok((await get(second.workload)) !== undefined);
});

test('nothing is signed for a pod whose volume is gone, though the pod is known still', async () => {
  const uid = randomUUID();
  node.issuer.pushPod(podMessage(uid, ['/a']));
  const { request } = await node.publish({ uid });
  const { volumeId, targetPath } = request;
  await node.kubelet.node.nodeUnpublishVolume({ volumeId, targetPath });
  node.issuer.pushPod(podMessage(uid, ['/a', '/b'], { version: 2n }));
  const other = randomUUID();
  node.issuer.pushPod(podMessage(other, ['/c']));
  const signed = () => node.issuer.x509Requests.flatMap(({ items }) => items);
  await until(() => signed().some(({ podUid }) => podUid === other));
  await node.clock.advance(3000);
  assert.equal(signed().filter(({ podUid }) => podUid === uid).length, 1);
  const again = await node.publish({ uid });
  const stream = new Messages(again.workload.fetchX509SVID({}, node.call));
  assert.equal((await stream.next()).svids.length, 2, 'published again, it is served again');
});

test('a target directory that was removed and published again is served where the pod looks', async () => {
  const uid = randomUUID();
  node.issuer.pushPod(podMessage(uid, ['/a']));
  const { request } = await node.publish({ uid });
  rmSync(request.targetPath, { recursive: true });
  await node.kubelet.node.nodePublishVolume(request);
  await new Messages(node.workload(request).fetchX509SVID({}, node.call)).next();
});

test('after an unpublish that failed over foreign files, nothing of the volume is touched by others', async () => {
  const { request } = await publishedPod();
  const { volumeId, targetPath } = request;
  writeFileSync(join(targetPath, 'precious'), 'x');
  await assert.rejects(node.kubelet.node.nodeUnpublishVolume({ volumeId, targetPath }), {
    code: 'unavailable',
  });
  await node.clock.advance(20_000);
  assert.deepEqual(readdirSync(targetPath), ['precious'], 'no sweep puts a socket back');
  await node.kubelet.node.nodePublishVolume(request);
  await new Messages(node.workload(request).fetchX509SVID({}, node.call)).next();
});

async function publishedPod() {
  const uid = randomUUID();
  node.issuer.pushPod(podMessage(uid, ['/a']));
  return await node.publish({ uid });
}

test('a plugin directory too deep for a socket is refused at the start', async () => {
  const options = {
    nodeName: 'node-1',
    driverName: 'csi.spiffe.io',
    kubeletRoot: node.kubelet.root,
    pluginDirectory: `/${'x'.repeat(100)}`,
    trustDomain: parseTrustDomain('example.org'),
    issuer: { channel: { target: node.issuer.target }, token: async () => '' },
    clock: node.clock,
    log: silentLogger,
    version: '1',
  };
  await assert.rejects(runNodePlugin(options, new AbortController().signal), {
    code: 'invalid-argument',
  });
});

test('KU-16: killed at any point of publishing, the next start serves every volume that has a directory', async () => {
  await node.stopFirst();
  node.issuer.clock = systemClock;
  const options = { kubeletRoot: node.kubelet.root, issuer: node.issuer.target, publishWaitMs: 0 };
  const requests = Array.from({ length: 40 }, () => node.kubelet.request());
  for (const request of requests) {
    const uid = request.volumeContext['csi.storage.k8s.io/pod.uid'] ?? '';
    node.issuer.pods.set(uid, podMessage(uid, ['/a']));
  }
  const waiting = [...requests];
  for (let life = 0; life < 4; life += 1) {
    const child = await runPluginProcess(options);
    children.push(child);
    const batch = waiting.splice(0, 10);
    const calls = batch.map(
      async (request) => await node.kubelet.node.nodePublishVolume(request, { timeoutMs: 20_000 }),
    );
    const settled = Promise.allSettled(calls);
    // Killed when some are through and others are not.
    await calls[life * 3];
    await endProcess(child, 'SIGKILL');
    await settled;
    node.kubelet.hangUp();
  }
  await runLast(options);
  const present = requests.filter(({ targetPath }) => existsSync(targetPath));
  assert.ok(present.length >= 4);
  for (const request of present) await expectServed(request);
  for (const request of requests) await node.kubelet.node.nodePublishVolume(request);
  for (const request of requests) await expectServed(request);
  for (const { volumeId, targetPath } of requests) {
    await node.kubelet.node.nodeUnpublishVolume({ volumeId, targetPath });
    assert.equal(existsSync(targetPath), false);
  }
  assert.deepEqual(
    readdirSync(join(node.kubelet.root, 'plugins/signet.dev/csi.spiffe.io/volumes')),
    [],
  );
});

async function runLast(options: Parameters<typeof runPluginProcess>[0]): Promise<void> {
  children.push(await runPluginProcess(options));
}

// Asks again while the answer is Unavailable, as clients do: a loaded machine may sign late.
async function expectServed(request: Parameters<NodeHarness['workload']>[0]): Promise<void> {
  const workload = node.workload(request);
  let spiffeId: string | undefined;
  await until(
    () => spiffeId !== undefined,
    async () => {
      try {
        const message = await new Messages(workload.fetchX509SVID({}, node.call)).next();
        spiffeId = message.svids[0]?.spiffeId;
      } catch (thrown) {
        assert.equal(CodedError.from(thrown).code, 'unavailable');
      }
    },
  );
  assert.equal(spiffeId, 'spiffe://example.org/a');
  workload.close();
}
