// The handles that fault tests use do what they say: components die and come back, and the store is set
// back to a copy. Everything works afterwards.

import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, suite, test } from 'node:test';
import { agentPod, whenReady } from './lib/agent-pod.ts';
import { attached, freshNamespace } from './lib/attached.ts';

const cluster = attached();
const [node] = cluster.nodes;
const { apiServer } = cluster.controlPlane;

suite('handles of the cluster', () => {
  let namespace = '';
  before(async () => {
    namespace = await freshNamespace(cluster, 'handles');
  });
  after(async () => await cluster.deleteNamespace(namespace));

  test('the API server is killed, is away, and comes back', async () => {
    await apiServer.stop('SIGKILL');
    assert.equal(apiServer.pid, undefined);
    assert.equal(await cluster.api.isReady(), false);
    apiServer.start();
    await cluster.controlPlane.ready();
    await runsPod('after-api-server');
  });

  test('kubelet and containerd are restarted, and pods run on', async () => {
    assert.ok(node !== undefined);
    const before = await runsPod('stays');
    for (const signal of ['SIGKILL', 'SIGTERM'] as const) {
      await node.restartContainerd(signal);
      const { pid } = node.kubelet;
      await node.kubelet.restart(signal);
      assert.notEqual(node.kubelet.pid, pid);
      await runsPod(`after-${signal.toLowerCase()}`);
    }
    const { stdout } = await cluster.kubectl.exec(`${namespace}/stays`, ['hostname']);
    assert.equal(stdout.trim(), 'stays');
    const now = await cluster.api.get(`/api/v1/namespaces/${namespace}/pods/stays`);
    assert.equal(now.metadata.uid, before);
  });

  test('the store is set back to a copy', async () => {
    const copy = join(cluster.directory, `copy-${namespace}`);
    await cluster.controlPlane.snapshot(copy);
    const later = await freshNamespace(cluster, 'later');
    await cluster.restore(copy);
    assert.equal(await cluster.api.find(`/api/v1/namespaces/${later}`), undefined);
    await runsPod('after-restore');
  });

  async function runsPod(name: string): Promise<string | undefined> {
    assert.ok(node !== undefined);
    const pod = agentPod({ namespace, name, node: node.name, args: ['idle'] });
    await cluster.api.apply(pod);
    return (await whenReady(cluster, pod)).metadata.uid;
  }
});
