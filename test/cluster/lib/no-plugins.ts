// The cluster without any node plugin for a while.

import type { Cluster } from './cluster.ts';
import { whenSigned } from './faults.ts';
import { SIGNET_NAMESPACE } from './signet.ts';

const DAEMON_SET = `/apis/apps/v1/namespaces/${SIGNET_NAMESPACE}/daemonsets/signet-node`;

export async function withoutPlugins(cluster: Cluster, work: () => Promise<void>): Promise<void> {
  const select = async (value: string | null): Promise<void> => {
    const nodeSelector = { 'signet.dev/test-nowhere': value };
    await cluster.api.merge(DAEMON_SET, { spec: { template: { spec: { nodeSelector } } } });
  };
  await select('true');
  try {
    await whenSigned(cluster, 'node', 0);
    await work();
  } finally {
    await select(null);
    await whenSigned(cluster, 'node', cluster.nodes.length);
  }
}
