// What happens to pods whose node plugin, or kubelet, dies: nothing that lasts.

import assert from 'node:assert/strict';
import { after, before, suite, test } from 'node:test';
import { attached, freshNamespace } from './lib/attached.ts';
import { until } from './lib/commands.ts';
import { appId, appIdentity, optedIn, remove } from './lib/identities.ts';
import { hasCondition, objectPath, type Pod } from './lib/kube-object.ts';
import { LineFeed } from './lib/line-feed.ts';
import {
  hasDirectory,
  namesIn,
  nextPlugin,
  pluginPid,
  pluginsReady,
  VOLUME_NAMES,
  volumesOf,
  withoutPlugins,
} from './lib/node-plugin.ts';
import { createAtOnce, deletePods, whenAll } from './lib/pods.ts';
import { figure } from './lib/report.ts';

const PODS = 30;
const cluster = attached();
const [node] = cluster.nodes;

suite('a node plugin that dies', () => {
  assert.ok(node !== undefined);
  let namespace = '';
  let pods: readonly Pod[] = [];
  before(async () => {
    namespace = await freshNamespace(cluster, 'faults');
    await cluster.api.apply(appIdentity(namespace));
    await pluginsReady(cluster);
    pods = await start('watch');
  });
  after(async () => {
    await deletePods(cluster, pods);
    await remove(cluster, appIdentity(namespace));
    await cluster.deleteNamespace(namespace);
  });

  test('KU-16: killed, it serves all 30 pods again, and their streams go on', async () => {
    const feeds = pods.map((pod) => ({ pod, feed: new LineFeed(cluster, pod) }));
    for (const { feed } of feeds) await feed.next(({ event }) => event === 'update');
    const old = pluginPid(cluster, node);
    assert.ok(old !== undefined);
    process.kill(old, 'SIGKILL');
    const { at } = await nextPlugin(cluster, node, old);
    const resumed = await Promise.all(
      feeds.map(async ({ pod, feed }) => {
        const line = await feed.next(({ event }) => event === 'update', 60_000);
        assert.equal(line['id'], appId(namespace, pod.metadata.name ?? ''));
        return Number(line['at']);
      }),
    );
    for (const { feed } of feeds) feed.close();
    figure(
      'node plugin killed: its start to the last of 30 answers',
      Math.max(...resumed) - at,
      'ms',
    );
    await pluginsReady(cluster);
  });

  test('KU-12: a restarted kubelet publishes again, and nothing is there twice', async () => {
    await node.kubelet.restart('SIGKILL');
    const [late] = await start('once', 1, 'late');
    assert.ok(late !== undefined);
    await deletePods(cluster, [late]);
    for (const pod of pods) {
      const volumes = volumesOf(node, pod);
      assert.equal(volumes.length, 1, pod.metadata.name);
      assert.deepEqual(namesIn(volumes[0] ?? ''), VOLUME_NAMES);
    }
  });

  test('KU-13: no mount of ours is on the node', async () => {
    const { stdout } = await node.exec(['cat', '/proc/self/mountinfo']);
    assert.match(stdout, /kubernetes\.io~projected/);
    assert.doesNotMatch(stdout, /kubernetes\.io~csi/);
  });

  test('KU-21: pods deleted while there is no plugin are gone, directories too, once there is one', async () => {
    const doomed = await start('watch', 5, 'doomed');
    await withoutPlugins(cluster, async () => {
      for (const pod of doomed) {
        await cluster.api.delete(objectPath(pod), { gracePeriodSeconds: 1 });
      }
      const uid = doomed[0]?.metadata.uid ?? '';
      assert.ok(hasDirectory(node, uid), 'the kubelet waits for the driver');
    });
    for (const pod of doomed) {
      await cluster.api.waitGone(objectPath(pod), { timeoutMs: 180_000 });
      await until(
        `the directory of ${pod.metadata.name}`,
        () => (hasDirectory(node, pod.metadata.uid ?? '') ? undefined : true),
        { timeoutMs: 60_000 },
      );
    }
    await whenAll(cluster, { namespace, selector: 'mode=watch', count: PODS, accepts: isReady });
  });

  async function start(mode: string, count = PODS, prefix = mode): Promise<readonly Pod[]> {
    const names = Array.from({ length: count }, (_, index) => `${prefix}-${index}`);
    const made = names.map((name) =>
      optedIn({ namespace, name, node: node?.name ?? '', args: [mode], labels: { mode: prefix } }),
    );
    await createAtOnce(cluster, made);
    const accepts = mode === 'once' ? hasSucceeded : isReady;
    return await whenAll(cluster, { namespace, selector: `mode=${prefix}`, count, accepts });
  }
});

function isReady(pod: Pod): boolean {
  return hasCondition(pod, 'Ready');
}

function hasSucceeded({ status }: Pod): boolean {
  return status?.phase === 'Succeeded';
}
