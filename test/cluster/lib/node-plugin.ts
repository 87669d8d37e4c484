// The node plugin from outside: its process on a node, what it left in the kubelet's directory, and a
// way to have none for a while.

import { existsSync, globSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Cluster } from './cluster.ts';
import { until } from './commands.ts';
import type { KubeObject, Pod } from './kube-object.ts';
import { cgroupOf } from './layout.ts';
import type { ClusterNode } from './node.ts';
import { processesOf } from './processes.ts';
import { SIGNET_NAMESPACE } from './signet.ts';

export const DAEMON_SET = `/apis/apps/v1/namespaces/${SIGNET_NAMESPACE}/daemonsets/signet-node`;
/** What a volume's directory holds, and nothing else. */
export const VOLUME_NAMES = ['agent.sock', 'api.sock', 'socket', 'spire-agent.sock'] as const;

type DaemonSet = KubeObject & {
  readonly status?: {
    readonly desiredNumberScheduled?: number;
    readonly numberReady?: number;
    readonly currentNumberScheduled?: number;
  };
};

/** As this machine sees it; undefined while there is none. */
export function pluginPid(cluster: Cluster, node: ClusterNode): number | undefined {
  return processesOf('node', cgroupOf(cluster.name, node.name))[0]?.pid;
}

/** The first process on the node that is not `old`, and when it was seen. */
export async function nextPlugin(
  cluster: Cluster,
  node: ClusterNode,
  old: number,
): Promise<{ readonly pid: number; readonly at: number }> {
  const processes = cgroupOf(cluster.name, node.name);
  return await until(
    `node plugin of ${node.name}`,
    () => {
      const next = processesOf('node', processes).find(({ pid }) => pid !== old);
      return next === undefined ? undefined : { pid: next.pid, at: Date.now() };
    },
    { timeoutMs: 60_000, everyMs: 20 },
  );
}

/** The directories of our volumes of a pod, on its node. */
export function volumesOf(node: ClusterNode, { metadata }: Pod): readonly string[] {
  const pod = podDirectory(node, metadata.uid ?? '');
  return globSync('volumes/kubernetes.io~csi/*/mount', { cwd: pod }).map((path) => join(pod, path));
}

export function namesIn(directory: string): readonly string[] {
  return readdirSync(directory).toSorted();
}

export function hasDirectory(node: ClusterNode, podUid: string): boolean {
  return existsSync(podDirectory(node, podUid));
}

/** No plugin anywhere while `work` runs. */
export async function withoutPlugins(cluster: Cluster, work: () => Promise<void>): Promise<void> {
  const select = async (nodes: string | null): Promise<void> => {
    const nodeSelector = { 'signet.test/nowhere': nodes };
    await cluster.api.merge(DAEMON_SET, { spec: { template: { spec: { nodeSelector } } } });
  };
  await select('true');
  try {
    await until('end of node plugins', () =>
      processesOf('node', cluster.name).length === 0 ? true : undefined,
    );
    await work();
  } finally {
    await select(null);
    await pluginsReady(cluster);
  }
}

/** One on every node, of the newest template, ready. */
export async function pluginsReady(cluster: Cluster): Promise<void> {
  const count = cluster.nodes.length;
  await cluster.api.waitFor<DaemonSet>(
    DAEMON_SET,
    ({ metadata, status }) => {
      const { observedGeneration, updatedNumberScheduled } = (status ?? {}) as Record<
        string,
        number
      >;
      return (
        observedGeneration === (metadata as { generation?: number }).generation &&
        updatedNumberScheduled === count &&
        status?.numberReady === count
      );
    },
    { timeoutMs: 120_000 },
  );
}

function podDirectory(node: ClusterNode, podUid: string): string {
  return join(node.directory, 'kubelet/pods', podUid);
}
