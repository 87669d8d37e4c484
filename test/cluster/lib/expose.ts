// A Service for pods of a label `app`, once its address works.

import type { Cluster } from './cluster.ts';
import { until } from './commands.ts';
import type { ClusterNode } from './node.ts';

export type Exposed = {
  readonly namespace: string;
  /** Of the pods, and the Service's name. */
  readonly app: string;
  readonly port: number;
  /** The nodes from which it has to work. */
  readonly to: readonly ClusterNode[];
};

const CONNECT_MS = 1000;

/** Resolves when kube-proxy of each of the nodes has heard of it; the pods have to listen already. */
export async function expose(cluster: Cluster, exposed: Exposed): Promise<void> {
  const { namespace, app, port, to } = exposed;
  const metadata = { namespace, name: app };
  const spec = { selector: { app }, ports: [{ port }] };
  const service = await cluster.api.create({ apiVersion: 'v1', kind: 'Service', metadata, spec });
  const { clusterIP } = service.spec as unknown as { clusterIP: string };
  for (const node of to) {
    await until(`Service ${app} on ${node.name}`, async () => {
      const connect = `exec 3<>/dev/tcp/${clusterIP}/${port}`;
      const { status } = await node.exec(['bash', '-c', connect], { timeoutMs: CONNECT_MS });
      return status === 0 ? true : undefined;
    });
  }
}
