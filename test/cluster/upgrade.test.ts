// An upgrade under load: 30 pods connect every 10 ms while every node plugin is replaced, and nobody
// sees an error; an upgrade of the rest changes no SVID of a running pod.

import assert from 'node:assert/strict';
import { after, before, suite, test } from 'node:test';
import { type Line, lineOf, linesOf } from './lib/agent-pod.ts';
import { attached, freshNamespace } from './lib/attached.ts';
import { until } from './lib/commands.ts';
import { appId, appIdentity, optedIn, remove } from './lib/identities.ts';
import { hasCondition, type Pod } from './lib/kube-object.ts';
import { createAtOnce, whenAll } from './lib/pods.ts';
import { figure } from './lib/report.ts';
import { nodePluginPods, restartNodePlugins } from './lib/roll-out.ts';
import { installSignet, SIGNET_NAMESPACE, TRUST_DOMAIN } from './lib/signet.ts';

const cluster = attached();
const nodes = cluster.nodes.map(({ name }) => name);
const KNOCKING_PER_NODE = 15;
/** Each time with a whole answer, not only a connection. */
const FETCHING_PER_NODE = 1;

suite('an upgrade', () => {
  let namespace = '';
  before(async () => {
    namespace = await freshNamespace(cluster, 'upgrade');
    await cluster.api.apply(appIdentity(namespace));
  });
  after(async () => {
    await remove(cluster, appIdentity(namespace));
    await cluster.deleteNamespace(namespace);
  });

  test('of issuer and controller changes no SVID of a running pod', async () => {
    const pods = await started('holder', 1, ['watch']);
    for (const pod of pods) await linesSoFar(pod, 1);
    const before = await namesOf('issuer');
    // Another value than last time, so that there is something to roll out.
    const requests = { cpu: `${40 + (Date.now() % 40)}m` };
    await installSignet(cluster, {
      issuer: { resources: { requests } },
      controller: { resources: { requests } },
    });
    // Helm waits for the new ones only: an old one may still be ending.
    await until('the issuers to be replaced', async () => {
      const names = await namesOf('issuer');
      return names.some((name) => before.includes(name)) ? undefined : true;
    });
    // Another ID in the end: the streams still live, and it is the second thing they ever brought.
    const spiffeIDTemplate = 'spiffe://{{ .TrustDomain }}/after';
    await cluster.api.apply(appIdentity(namespace, { spiffeIDTemplate }));
    for (const pod of pods) {
      const lines = await linesSoFar(pod, 2);
      const id = appId(namespace, pod.metadata.labels?.['app'] ?? '');
      assert.deepEqual(
        lines.map((line) => [line['event'], line['id']]),
        [
          ['update', id],
          ['update', `spiffe://${TRUST_DOMAIN}/after`],
        ],
      );
    }
    await cluster.api.apply(appIdentity(namespace));
  });

  test('of the node plugins fails no connect and no fetch of 30 pods', async () => {
    const knocking = await started('knocking', KNOCKING_PER_NODE, ['knock']);
    const fetching = await started('fetching', FETCHING_PER_NODE, ['knock', 'fetch']);
    const pods = [...knocking, ...fetching];
    await Promise.all(pods.map(async (pod) => await countsAfter(pod, 0)));
    const before = await nodePluginPods(cluster);
    const begun = Date.now();
    await restartNodePlugins(cluster);
    const replaced = Date.now();
    const left = await nodePluginPods(cluster);
    const uids = new Set(before.map(({ metadata }) => metadata.uid));
    assert.equal(
      left.some(({ metadata }) => uids.has(metadata.uid)),
      false,
    );
    const counts = await Promise.all(pods.map(async (pod) => await countsAfter(pod, replaced)));
    const failed = counts.filter(({ errors }) => errors !== 0);
    assert.deepEqual(failed, []);
    const connects = counts.reduce((sum, { ok }) => sum + Number(ok), 0);
    figure('connects while node plugins were replaced', connects, 'connects');
    figure('roll-out of the node plugins under load', replaced - begun, 'ms');
  });

  /** Running pods, so many on each node. */
  async function started(
    name: string,
    perNode: number,
    args: readonly string[],
  ): Promise<readonly Pod[]> {
    const pods = nodes.flatMap((node) =>
      Array.from({ length: perNode }, (_, index) =>
        optedIn({ namespace, name: `${name}-${node}-${index}`, node, args, labels: { set: name } }),
      ),
    );
    await createAtOnce(cluster, pods);
    return await whenAll(cluster, {
      namespace,
      selector: `set=${name}`,
      count: pods.length,
      accepts: (pod) => hasCondition(pod, 'Ready'),
    });
  }

  async function linesSoFar(pod: Pod, count: number): Promise<readonly Line[]> {
    return await until(`${count} lines of ${pod.metadata.name ?? ''}`, async () => {
      const lines = await linesOf(cluster, pod);
      return lines.length >= count ? lines : undefined;
    });
  }

  /** Its counts as of a moment after the given one. */
  async function countsAfter(pod: Pod, moment: number): Promise<Line> {
    return await lineOf(cluster, pod, { accepts: ({ at }) => Number(at) > moment });
  }

  async function namesOf(component: string): Promise<readonly string[]> {
    const selector = `labelSelector=app.kubernetes.io/component%3D${component}`;
    const path = `/api/v1/namespaces/${SIGNET_NAMESPACE}/pods?${selector}`;
    return (await cluster.api.list<Pod>(path)).map(({ metadata }) => metadata.name ?? '');
  }
});
