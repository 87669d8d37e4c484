// Volumes of the whole plugin: turns of two plugins, kills, and what is there without an issuer.

import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { existsSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { systemClock } from '../../../src/base/clock.ts';
import { CodedError } from '../../../src/base/errors.ts';
import { podMessage } from '../../fakes/fake-issuer.ts';
import type { NodeHarness } from './node-harness.ts';
import { during, Messages, until } from './node-harness.ts';
import { children, node, useNode } from './plugin-fixtures.ts';
import { endProcess, runPluginProcess } from './run-plugin-process.ts';

useNode();

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
