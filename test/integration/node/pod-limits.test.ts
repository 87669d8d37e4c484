// What a pod may have, however many volumes its author gives it.

import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { type ClientHttp2Session, connect as connectHttp2 } from 'node:http2';
import { connect } from 'node:net';
import { afterEach, beforeEach, test } from 'node:test';
import { podMessage } from '../../fakes/fake-issuer.ts';
import { publishSecrets } from './discovery-stream.ts';
import { Messages, NodeHarness, until } from './node-harness.ts';

let node: NodeHarness;
const closing: { close(): void }[] = [];
beforeEach(async () => {
  node = await NodeHarness.start();
});
afterEach(async () => {
  for (const each of closing.splice(0)) each.close();
  await node.stop();
});

function makePod(): string {
  const uid = randomUUID();
  node.issuer.pushPod(podMessage(uid, ['/a']));
  return uid;
}

const tooMany = { code: 'invalid-argument', message: /has 4 volumes of this driver already/ };

test('a pod has four volumes; another one gets in when one has gone', async () => {
  const uid = makePod();
  const { node: csi } = node.kubelet;
  const requests = ['a', 'b', 'c', 'd', 'e'].map((volume) => node.kubelet.request({ uid, volume }));
  const [first, , , , fifth] = requests;
  assert.ok(first !== undefined && fifth !== undefined);
  for (const request of requests.slice(0, 4)) await csi.nodePublishVolume(request);
  await assert.rejects(csi.nodePublishVolume(fifth), tooMany);
  await csi.nodePublishVolume(first);
  await node.publish({ uid: makePod() });
  const { volumeId, targetPath } = first;
  await csi.nodeUnpublishVolume({ volumeId, targetPath });
  await csi.nodePublishVolume(fifth);
  await assert.rejects(csi.nodePublishVolume(first), tooMany);
});

test('nor does it get more by asking for all at once', async () => {
  const uid = makePod();
  const all = Array.from(
    { length: 12 },
    async (_, at) => await node.publish({ uid, volume: `v${at}` }),
  );
  const results = await Promise.allSettled(all);
  assert.equal(results.filter(({ status }) => status === 'fulfilled').length, 4);
});

async function session(path: string): Promise<ClientHttp2Session> {
  const made = connectHttp2('http://localhost', { createConnection: () => connect(path) });
  made.on('error', () => {});
  closing.push({ close: () => made.destroy() });
  await new Promise((resolve) => made.once('remoteSettings', resolve));
  return made;
}

test('incomplete requests of all sockets of a pod share one memory', async () => {
  const uid = makePod();
  const volumes = ['a', 'b', 'c', 'd'];
  const part = Buffer.alloc(200_000);
  part.writeUInt32BE(250_000, 1);
  let refused = 0;
  for (const volume of volumes) {
    const request = node.kubelet.request({ uid, volume });
    Object.assign(request.volumeContext, { 'signet.dev/sds': 'true' });
    await node.kubelet.node.nodePublishVolume(request);
    const client = await session(node.socketOf(request));
    for (let at = 0; at < 15; at += 1) {
      const stream = client.request({
        ':method': 'POST',
        ':path': '/envoy.service.secret.v3.SecretDiscoveryService/StreamSecrets',
        'content-type': 'application/grpc',
        te: 'trailers',
      });
      stream.on('error', () => {});
      stream.on('response', (fields) => {
        if (fields['grpc-status'] === '8') refused += 1;
      });
      stream.write(part);
    }
  }
  // Each socket by itself is far below its own limit: 15 times 250 kB.
  await until(() => refused > 0);
  const { workload } = await node.publish({ uid: makePod() });
  await new Messages(workload.fetchX509SVID({}, node.call)).next();
});

test('requests of secret discovery are counted for the pod', async () => {
  const uid = makePod();
  const [one, other] = [
    await publishSecrets(node, { uid, volume: 'a' }),
    await publishSecrets(node, { uid, volume: 'b' }),
  ];
  closing.push(one.client, other.client);
  const ask = async ({ client }: typeof one) => await client.fetchSecrets({});
  const many = Array.from({ length: 1000 }, () => one);
  for (let at = 0; at < many.length; at += 50) await Promise.all(many.slice(at, at + 50).map(ask));
  await assert.rejects(ask(other), { code: 'resource-exhausted' });
  await node.clock.advance(1000);
  await ask(other);
});
