// A node reboots with 30 pods: each comes back with its identity at the first attempt.

import assert from 'node:assert/strict';
import { after, before, suite, test } from 'node:test';
import { linesOf } from './lib/agent-pod.ts';
import { attached, freshNamespace } from './lib/attached.ts';
import { csiMounts, eachAfter, isUpdate, leave, startFleet, whenSigned } from './lib/faults.ts';
import { appIdentity } from './lib/identities.ts';
import { objectPath, type Pod } from './lib/kube-object.ts';
import { reboot } from './lib/reboot.ts';
import { figure } from './lib/report.ts';
import { percentile } from './lib/statistics.ts';

const cluster = attached();
const node = cluster.nodes[1] ?? assert.fail();
const PODS = 30;
const REPLICAS = 2;

suite('a node that reboots', () => {
  let namespace = '';
  let pods: readonly Pod[] = [];
  before(async () => {
    namespace = await freshNamespace(cluster, 'faults-boot');
    await cluster.api.apply(appIdentity(namespace));
    pods = await startFleet(cluster, { namespace, prefix: 'back', count: PODS, node: node.name });
  });
  after(async () => {
    await leave(cluster, namespace);
  });

  test(`brings ${PODS} pods back with their identity at the first attempt`, async () => {
    const begun = Date.now();
    const up = await reboot(cluster, node);
    const updates = await eachAfter({ cluster, pods, since: begun, timeoutMs: 150_000 }, isUpdate);
    for (const pod of pods) {
      // The log is the new container's alone.
      const [first] = await linesOf(cluster, pod);
      const { status } = await cluster.api.get<Pod>(objectPath(pod));
      assert.equal(first?.['event'], 'update', JSON.stringify(first));
      assert.equal(status?.containerStatuses?.[0]?.restartCount, 1);
    }
    const ids = pods.map(
      ({ metadata }) => `spiffe://cluster.test/ns/${namespace}/app/${metadata.name}`,
    );
    assert.deepEqual(
      updates.map(({ id }) => id),
      ids,
    );
    const times = updates.map(({ at }) => Number(at) - up);
    figure(
      `node rebooted: ${PODS} pods have identities, from the kubelet's start, p50`,
      percentile(times, 0.5),
      'ms',
    );
    figure(
      `node rebooted: ${PODS} pods have identities, from the kubelet's start, p99`,
      percentile(times, 0.99),
      'ms',
    );
    assert.deepEqual(await csiMounts(node), []);
    await cluster.ready();
    for (const part of ['issuer', 'controller', 'node'] as const) {
      await whenSigned(cluster, part, REPLICAS);
    }
  });
});
