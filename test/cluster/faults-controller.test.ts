// The controller dies or is away: another one leads and writes status; pods that opted in wait, and
// nobody else does.

import assert from 'node:assert/strict';
import { after, before, suite, test } from 'node:test';
import { agentPod, lineOf, podTemplate, whenReady } from './lib/agent-pod.ts';
import { attached, freshNamespace } from './lib/attached.ts';
import { until } from './lib/commands.ts';
import {
  isUpdate,
  killProcess,
  leave,
  scale,
  signetPods,
  startFleet,
  whenSigned,
} from './lib/faults.ts';
import { appIdentity, INJECT, optedIn } from './lib/identities.ts';
import { ApiError } from './lib/kube-api.ts';
import { type KubeObject, objectPath, type Pod } from './lib/kube-object.ts';
import { whenAll } from './lib/pods.ts';
import { figure } from './lib/report.ts';
import { SIGNET_NAMESPACE } from './lib/signet.ts';

type Lease = KubeObject & { readonly spec?: { readonly holderIdentity?: string } };
type Policy = KubeObject & {
  readonly status?: { readonly stats?: { readonly entriesToSet?: number } };
};

const cluster = attached();
const LEASE = `/apis/coordination.k8s.io/v1/namespaces/${SIGNET_NAMESPACE}/leases/signet-controller`;
const REPLICAS = 2;

suite('without a controller', () => {
  let namespace = '';
  before(async () => {
    namespace = await freshNamespace(cluster, 'faults-ctl');
    await cluster.api.apply(appIdentity(namespace));
  });
  after(async () => {
    await scale(cluster, 'controller', REPLICAS);
    await leave(cluster, namespace);
  });

  test('that leads, another one does, and writes status', async () => {
    const holder = (await cluster.api.waitFor<Lease>(LEASE, (lease) => holderOf(lease) !== ''))
      .spec;
    const pods = await signetPods(cluster, 'controller');
    const leader = pods.find(({ metadata }) =>
      holder?.holderIdentity?.includes(metadata.name ?? '-'),
    );
    assert.ok(leader !== undefined, `${holder?.holderIdentity} leads`);
    const begun = Date.now();
    killProcess(leader, 'controller');
    await cluster.api.delete(objectPath(leader), { gracePeriodSeconds: 0 });
    const next = await cluster.api.waitFor<Lease>(
      LEASE,
      (lease) => holderOf(lease) !== '' && holderOf(lease) !== holder?.holderIdentity,
    );
    figure('controller that led killed: another leads', Date.now() - begun, 'ms');
    assert.ok(!holderOf(next).includes(leader.metadata.name ?? '-'));
    await startFleet(cluster, { namespace, prefix: 'counted', count: 3 });
    await cluster.api.waitFor<Policy>(
      objectPath(appIdentity(namespace)),
      ({ status }) => status?.stats?.entriesToSet === 3,
    );
    await whenSigned(cluster, 'controller', REPLICAS);
  });

  test('pods that opted in wait for its webhook, others start', async () => {
    await scale(cluster, 'controller', 0);
    const deployment = {
      apiVersion: 'apps/v1',
      kind: 'Deployment',
      metadata: { namespace, name: 'waits' },
      spec: {
        replicas: 2,
        selector: { matchLabels: { app: 'waits' } },
        template: podTemplate({
          namespace,
          args: ['watch'],
          labels: { app: 'waits', ...INJECT },
          restartPolicy: 'Always',
        }),
      },
    };
    await cluster.api.create(deployment);
    await assert.rejects(
      async () => await cluster.api.create(optedIn({ namespace, name: 'refused', args: ['once'] })),
      (thrown) =>
        thrown instanceof ApiError && thrown.status === 500 && /webhook/.test(thrown.message),
    );
    const other = agentPod({ namespace, name: 'other', args: ['idle'] });
    await cluster.api.create(other);
    await whenReady(cluster, other);
    // The one that was there before has everything still.
    const [held = assert.fail()] = await podsOf(namespace, 'fleet=counted');
    await lineOf(cluster, held, { accepts: isUpdate });
    assert.deepEqual(await podsOf(namespace, 'app=waits'), []);

    const back = Date.now();
    await scale(cluster, 'controller', REPLICAS);
    const accepts = ({ status }: Pod): boolean => status?.phase === 'Running';
    const pods = await whenAll(cluster, { namespace, selector: 'app=waits', count: 2, accepts });
    figure('webhook down and back: pods that waited run', Date.now() - back, 'ms');
    for (const pod of pods) await lineOf(cluster, pod, { accepts: isUpdate });
    await until('the webhook to serve again', async () => {
      const late = optedIn({ namespace, name: 'late', args: ['once'] });
      return await cluster.api.create(late).catch(() => undefined);
    });
  });
});

function holderOf({ spec }: Lease): string {
  return spec?.holderIdentity ?? '';
}

async function podsOf(namespace: string, selector: string): Promise<readonly Pod[]> {
  return await cluster.api.list<Pod>(
    `/api/v1/namespaces/${namespace}/pods?labelSelector=${encodeURIComponent(selector)}`,
  );
}
