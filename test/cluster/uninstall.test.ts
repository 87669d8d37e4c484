// Signet goes again: not while pods need it, then by the documented way, and nothing of it stays but
// what is kept on purpose. Afterwards the cluster has no Signet.

import assert from 'node:assert/strict';
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { before, suite, test } from 'node:test';
import { agentPod, whenReady } from './lib/agent-pod.ts';
import { attached, freshNamespace } from './lib/attached.ts';
import { until } from './lib/commands.ts';
import { everything } from './lib/everything.ts';
import { podDirectory } from './lib/faults.ts';
import { appIdentity, optedIn, remove } from './lib/identities.ts';
import { hasCondition, type KubeObject, type Pod, podPath } from './lib/kube-object.ts';
import { installSignet, SIGNET_NAMESPACE } from './lib/signet.ts';
import { DRIVER } from './lib/volume-pod.ts';

const cluster = attached();
const OURS = 'app.kubernetes.io/name=signet';
const CRDS = [
  'CustomResourceDefinition clusterfederatedtrustdomains.spire.spiffe.io',
  'CustomResourceDefinition clusterspiffeids.spire.spiffe.io',
  'CustomResourceDefinition clusterstaticentries.spire.spiffe.io',
  'CustomResourceDefinition identityrestrictions.signet.dev',
];
const KEPT = [
  'ConfigMap signet-authority-state',
  'ConfigMap signet-federated-bundles',
  'ConfigMap signet-issuer-ca',
  'ConfigMap signet-revocations',
  ...CRDS,
  'Secret signet-controller-serving',
  'Secret signet-issuer-serving',
  'Secret signet-issuing-keys',
  'Secret signet-root-key',
  'Secret signet-serving-keys',
];
/** Depends on what the authority job did, and on what was served before. */
const MAY_BE_KEPT: ReadonlySet<string> = new Set([
  'Secret signet-standby-root-key',
  'Secret signet-bundle-endpoint',
]);
/** Of the documentation, word for word. */
const BE_RID = [
  'delete secret signet-root-key signet-standby-root-key signet-serving-keys signet-issuing-keys signet-issuer-serving signet-controller-serving signet-bundle-endpoint --ignore-not-found',
  'delete configmap signet-authority-state signet-issuer-ca signet-bundle signet-federated-bundles signet-revocations --ignore-not-found',
  'delete lease/signet-controller pod/signet-check --ignore-not-found',
  'delete crd identityrestrictions.signet.dev clusterspiffeids.spire.spiffe.io clusterstaticentries.spire.spiffe.io clusterfederatedtrustdomains.spire.spiffe.io',
];

type ConfigMap = KubeObject & { readonly data?: Readonly<Record<string, string>> };

suite('uninstalling', () => {
  let namespace = '';
  let users: readonly Pod[] = [];
  let other: Pod;
  before(async () => {
    namespace = await freshNamespace(cluster, 'leaving');
    await cluster.api.apply(appIdentity(namespace));
    const pods = cluster.nodes.map(({ name }) =>
      optedIn({ namespace, name: `user-${name}`, node: name, args: ['idle'] }),
    );
    other = agentPod({ namespace, name: 'other', args: ['idle'] });
    for (const pod of [...pods, other]) await cluster.api.create(pod);
    users = await Promise.all(pods.map(async (pod) => await whenReady(cluster, pod)));
    await whenReady(cluster, other);
  });

  test('is refused while pods have the volume, and says which', async () => {
    await assert.rejects(async () => await uninstall(), /signet-check-uninstall|pre-delete/);
    const pods = await cluster.api.list<Pod>(
      `/api/v1/namespaces/${SIGNET_NAMESPACE}/pods?labelSelector=job-name%3Dsignet-check-uninstall`,
    );
    const [job] = pods;
    assert.ok(job !== undefined, 'no pod of the job');
    const log = await cluster.api.text({
      path: `${podPath(SIGNET_NAMESPACE, job.metadata.name ?? '')}/log`,
    });
    for (const { metadata } of users) {
      assert.ok(log.includes(`${namespace}/${metadata.name ?? ''}`), log);
    }
    assert.ok(!log.includes(`${namespace}/other`), log);
    await cluster.api.get(`/apis/apps/v1/namespaces/${SIGNET_NAMESPACE}/daemonsets/signet-node`);
  });

  test('goes through once they are gone, and keeps keys and policies', async () => {
    for (const { metadata } of users) {
      await cluster.api.delete(podPath(namespace, metadata.name ?? ''));
      await cluster.api.waitGone(podPath(namespace, metadata.name ?? ''));
    }
    await uninstall();
    await until(
      'the end of what it started',
      async () => {
        const left = await everything(cluster, OURS);
        return left.some((each) => each.startsWith('Pod ')) ? undefined : true;
      },
      { timeoutMs: 90_000 },
    );
    const left = await everything(cluster, OURS);
    assert.deepEqual(
      left
        .filter((each) => !/^(Lease|ConfigMap) signet-(controller|bundle)$/.test(each))
        .filter((each) => !MAY_BE_KEPT.has(each)),
      KEPT,
    );
    const driver = await cluster.api.find(`/apis/storage.k8s.io/v1/csidrivers/${DRIVER}`);
    assert.equal(driver, undefined);
  });

  test('leaves nodes as they were', async () => {
    for (const node of cluster.nodes) {
      const kubelet = join(node.directory, 'kubelet');
      await until(`${node.name} to forget the driver`, async () => {
        const { spec } = await cluster.api.get<KubeObject & { spec: object }>(
          `/apis/storage.k8s.io/v1/csinodes/${node.name}`,
        );
        return JSON.stringify(spec).includes(DRIVER) ? undefined : true;
      });
      assert.deepEqual(readdirSync(join(kubelet, 'plugins_registry')), []);
      assert.ok(!existsSync(join(kubelet, 'plugins/signet.dev', DRIVER, 'csi.sock')));
      for (const pod of users) assert.ok(!existsSync(podDirectory(node, pod)));
    }
  });

  test('strands no pod', async () => {
    const pods = await cluster.api.list<Pod>('/api/v1/pods');
    const stuck = pods.filter(({ metadata }) => metadata.deletionTimestamp !== undefined);
    assert.deepEqual(
      stuck.map(({ metadata }) => metadata.name),
      [],
    );
    const now = await cluster.api.get<Pod>(podPath(namespace, 'other'));
    assert.ok(hasCondition(now, 'Ready'));
    const late = optedIn({ namespace, name: 'late', args: ['idle'] });
    await cluster.api.create(late);
    await whenReady(cluster, late);
    await cluster.api.delete(podPath(namespace, 'late'));
    await cluster.api.waitGone(podPath(namespace, 'late'));
  });

  test('an installation takes up what was kept', async () => {
    const kept = await roots();
    await installSignet(cluster);
    assert.equal(await roots(), kept);
    const user = optedIn({ namespace, name: 'again', args: ['idle'] });
    await cluster.api.create(user);
    await whenReady(cluster, user);
    await cluster.api.delete(podPath(namespace, 'again'));
    await cluster.api.waitGone(podPath(namespace, 'again'));
  });

  test('with the documented commands nothing is left', async () => {
    await remove(cluster, appIdentity(namespace));
    await uninstall();
    for (const command of BE_RID) {
      await cluster.kubectl.run(['-n', SIGNET_NAMESPACE, ...command.split(' ')]);
    }
    await until('the end of everything', async () => {
      return (await everything(cluster, OURS)).length === 0 ? true : undefined;
    });
    for (const kind of ['configmaps', 'secrets', 'pods'] as const) {
      const objects = await cluster.api.list(`/api/v1/namespaces/${SIGNET_NAMESPACE}/${kind}`);
      const names = objects.map(({ metadata }) => metadata.name);
      assert.deepEqual(
        names.filter((name) => name !== 'kube-root-ca.crt'),
        [],
      );
    }
    await cluster.deleteNamespace(namespace);
  });
});

async function uninstall(): Promise<void> {
  await cluster.helm.uninstall('signet', SIGNET_NAMESPACE);
}

async function roots(): Promise<string> {
  const path = `/api/v1/namespaces/${SIGNET_NAMESPACE}/configmaps/signet-authority-state`;
  const { data = {} } = await cluster.api.get<ConfigMap>(path);
  return JSON.stringify(data);
}
