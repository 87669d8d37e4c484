// New pods for the node plugin, and waiting until all old ones are gone.

import type { Cluster } from './cluster.ts';
import type { KubeObject, Pod } from './kube-object.ts';
import { SIGNET_NAMESPACE } from './signet.ts';

const DAEMON_SET = `/apis/apps/v1/namespaces/${SIGNET_NAMESPACE}/daemonsets/signet-node`;
const PODS = `/api/v1/namespaces/${SIGNET_NAMESPACE}/pods?labelSelector=app.kubernetes.io/component%3Dnode`;
const ROLL_OUT_MS = 120_000;

type DaemonSet = KubeObject & {
  readonly status?: Readonly<Record<string, number | undefined>>;
};

export async function nodePluginPods(cluster: Cluster): Promise<readonly Pod[]> {
  return await cluster.api.list<Pod>(PODS);
}

/** As `kubectl rollout restart` does, and until it is done. */
export async function restartNodePlugins(cluster: Cluster): Promise<void> {
  const before = await nodePluginPods(cluster);
  const annotations = { 'kubectl.kubernetes.io/restartedAt': new Date().toISOString() };
  await cluster.api.merge(DAEMON_SET, { spec: { template: { metadata: { annotations } } } });
  const { metadata } = await cluster.api.get(DAEMON_SET);
  const { generation = 0 } = metadata;
  await cluster.api.waitFor<DaemonSet>(
    DAEMON_SET,
    ({ status = {} }) =>
      (status['observedGeneration'] ?? 0) >= generation &&
      status['updatedNumberScheduled'] === status['desiredNumberScheduled'] &&
      status['numberAvailable'] === status['desiredNumberScheduled'],
    { timeoutMs: ROLL_OUT_MS },
  );
  for (const { metadata } of before) {
    await cluster.api.waitGone(
      `/api/v1/namespaces/${SIGNET_NAMESPACE}/pods/${metadata.name ?? ''}`,
    );
  }
}

type Deployment = KubeObject & { readonly status?: Readonly<Record<string, number | undefined>> };

/** Every pod of the installation is another one afterwards. */
export async function restartEverything(cluster: Cluster): Promise<void> {
  const deployments = ['signet-issuer', 'signet-controller'].map(async (name) => {
    const path = `/apis/apps/v1/namespaces/${SIGNET_NAMESPACE}/deployments/${name}`;
    const annotations = { 'kubectl.kubernetes.io/restartedAt': new Date().toISOString() };
    await cluster.api.merge(path, { spec: { template: { metadata: { annotations } } } });
    const { metadata } = await cluster.api.get(path);
    const { generation = 0 } = metadata;
    await cluster.api.waitFor<Deployment>(
      path,
      ({ status = {} }) =>
        (status['observedGeneration'] ?? 0) >= generation &&
        status['updatedReplicas'] === status['replicas'] &&
        status['availableReplicas'] === status['replicas'],
      { timeoutMs: ROLL_OUT_MS },
    );
  });
  await Promise.all([...deployments, restartNodePlugins(cluster)]);
}
