// The whole plugin: how it starts, registers, hands over and ends.

import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { existsSync, lstatSync, readdirSync, statSync, unlinkSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { silentLogger } from '../../../src/base/log.ts';
import { runNodePlugin } from '../../../src/node/main.ts';
import { parseTrustDomain } from '../../../src/spiffe/spiffe-id.ts';
import { Identity } from '../../../src/transport/gen/csi/csi_pb.ts';
import { createGrpcClient } from '../../../src/transport/grpc/grpc-client.ts';
import { podMessage } from '../../fakes/fake-issuer.ts';
import { Messages, until } from './node-harness.ts';
import { node, registration, registrationSocket, useNode } from './plugin-fixtures.ts';

useNode();

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
