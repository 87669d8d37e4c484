// Who may not act as a node plugin, on a real API server: each refused for its own reason.

import assert from 'node:assert/strict';
import { after, before, suite, test } from 'node:test';
import { type Line, whenReady } from './lib/agent-pod.ts';
import { attached, freshNamespace } from './lib/attached.ts';
import { until } from './lib/commands.ts';
import { whenSigned } from './lib/faults.ts';
import { appIdentity, optedIn, remove } from './lib/identities.ts';
import type { KubeApi } from './lib/kube-api.ts';
import { type Pod, podPath } from './lib/kube-object.ts';
import { attack } from './lib/report.ts';
import { SIGNET_NAMESPACE } from './lib/signet.ts';
import {
  outcomeOf,
  pluginPod,
  pluginToken,
  type Request,
  thief,
  tokenRequest,
  withoutPolicy,
} from './lib/stolen.ts';

const cluster = attached();
const [here, there] = cluster.nodes;

suite('acting as a node plugin', () => {
  assert.ok(here !== undefined && there !== undefined);
  let namespace = '';
  let victim: Pod;
  let away: Pod;
  let ask: Pick<Request, 'namespace' | 'victim' | 'policy'>;
  before(async () => {
    namespace = await freshNamespace(cluster, 'attacks');
    const policy = appIdentity(namespace);
    await cluster.api.apply(policy);
    await whenSigned(cluster, 'node', cluster.nodes.length);
    victim = await running('victim', here.name);
    away = await running('away', there.name);
    ask = { namespace, victim, policy };
  });
  after(async () => {
    await remove(cluster, appIdentity(namespace));
    await cluster.deleteNamespace(namespace);
  });

  test('the token of the node plugin itself is good for its own node', async () => {
    const token = await pluginToken(here, await pluginPod(cluster, here));
    const { issued, reason } = await outcomeOf(cluster, { ...ask, name: 'control', token });
    // What is asked for is not what was pushed, so nothing is signed; but it is spoken to.
    assert.deepEqual([issued, reason], [false, 'EntryChanged']);
  });

  test('a pod with a projected token of the issuer’s audience', async () => {
    const pod = await thief(cluster, { ...ask, name: 'projects', projects: true });
    await refusedAtAdmission(pod, /tokens of audience signet-issuer\/ are for pods of DaemonSet/);
    attack('token of the issuer’s audience projected', 'pod author', 'refused at admission');
    // Even then its kubelet gets no such token for it.
    await withoutPolicy(cluster, 'signet-node-token', async () => {
      await withoutPolicy(cluster, 'signet-issuer-audience', async () => {
        await until('the policy to be gone', async () => await admitted(cluster.api, pod));
        const outcome = await outcomeOf(cluster, { ...ask, name: 'projects', projects: true });
        assert.equal(outcome['issued'], false);
        assert.equal(outcome['code'], 'unauthenticated', JSON.stringify(outcome));
        attack('the same, both admission policies removed', 'pod author', said(outcome));
      });
    });
  });

  for (const [name, bound] of [
    ['bound to a node', { kind: 'Node', apiVersion: 'v1', name: here.name }],
    ['bound to nothing', undefined],
  ] as const) {
    test(`a token of the node plugins’ account ${name}`, async () => {
      // A policy that was put back takes a moment.
      const refusal = await until('a refusal', async () => {
        return await tokenRequest(cluster, bound).then(() => undefined, String);
      });
      assert.match(refusal, /only kubelets get tokens/);
      attack(`token request ${name}`, 'editor of Signet’s namespace', 'refused at admission');
      await withoutPolicy(cluster, 'signet-node-token', async () => {
        const token = await until('a token', async () => {
          return await tokenRequest(cluster, bound).catch(() => undefined);
        });
        const pod = `token-${bound === undefined ? 'free' : 'node'}`;
        const outcome = await outcomeOf(cluster, { ...ask, name: pod, token });
        assert.equal(outcome['code'], 'unauthenticated', JSON.stringify(outcome));
        attack('the same, admission policy removed', 'editor', said(outcome));
      });
    });
  }

  test('a node plugin’s token, for a pod of another node', async () => {
    const token = await pluginToken(here, await pluginPod(cluster, here));
    const outcome = await outcomeOf(cluster, { ...ask, victim: away, name: 'far', token });
    assert.deepEqual([outcome['issued'], outcome['reason']], [false, 'WrongNode']);
    attack('another node’s pod asked for', 'root on a node', said(outcome));
  });

  test('the token of a node plugin whose pod was deleted', async () => {
    const plugin = await pluginPod(cluster, here);
    const token = await pluginToken(here, plugin);
    const path = podPath(SIGNET_NAMESPACE, plugin.metadata.name ?? '');
    await cluster.api.delete(path, { gracePeriodSeconds: 1 });
    await cluster.api.waitGone(path);
    let attempt = 0;
    // An issuer may have no time for a review, which is no answer yet.
    const outcome = await until('an answer', async () => {
      attempt += 1;
      const said = await outcomeOf(cluster, { ...ask, name: `late-${attempt}`, token });
      return said['code'] === 'unavailable' ? undefined : said;
    });
    assert.equal(outcome['code'], 'unauthenticated', JSON.stringify(outcome));
    attack('token of a deleted node plugin', 'thief of a token', said(outcome));
    await whenSigned(cluster, 'node', cluster.nodes.length);
  });

  test('a server that pretends to be the issuer with a workload’s SVID', async () => {
    const port = 9443;
    const fake = optedIn({
      namespace,
      name: 'fake',
      args: ['serve', String(port), 'cluster.test'],
    });
    await cluster.api.create(fake);
    const { status } = await whenReady(cluster, fake);
    const target = `${status?.podIP ?? ''}:${port}`;
    const token = await pluginToken(here, await pluginPod(cluster, here));
    const outcome = await outcomeOf(cluster, { ...ask, name: 'lured', token, target });
    assert.equal(outcome['code'], 'unavailable', JSON.stringify(outcome));
    assert.match(String(outcome['message']), /certificate|issuer/);
    attack('a fake issuer with a workload’s SVID', 'workload in the network', 'no token is sent');
  });

  async function running(name: string, node: string): Promise<Pod> {
    const pod = optedIn({ namespace, name, node, args: ['idle'] });
    await cluster.api.create(pod);
    return await whenReady(cluster, pod);
  }
});

async function refusedAtAdmission(pod: Pod, message: RegExp): Promise<void> {
  await assert.rejects(async () => await cluster.api.create(pod), message);
}

/** Whether the API server would take it; nothing is stored. */
async function admitted(api: KubeApi, pod: Pod): Promise<true | undefined> {
  const path = `/api/v1/namespaces/${pod.metadata.namespace ?? ''}/pods?dryRun=All`;
  const answer = await api.text({ method: 'POST', path, body: pod }).catch(() => undefined);
  return answer === undefined ? undefined : true;
}

function said(outcome: Line): string {
  const text = (key: string): string => (typeof outcome[key] === 'string' ? outcome[key] : '');
  const first = text('reason') || text('code');
  const message = text('message');
  return (message === '' ? first : `${first}: ${message}`).slice(0, 80);
}
