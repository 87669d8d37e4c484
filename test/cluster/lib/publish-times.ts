// How long the kubelets waited for our answer to NodePublishVolume: their own measurement. With the
// time a workload's first call takes, that is all an identity adds to a container's start.

import type { Cluster } from './cluster.ts';

export type PublishTimes = { readonly count: number; readonly seconds: number };

const METRIC = 'csi_operations_seconds';
const LABELS = ['driver_name="csi.spiffe.io"', 'method_name="/csi.v1.Node/NodePublishVolume"'];

/** Since the kubelets began, over all nodes. */
export async function publishTimes(cluster: Cluster): Promise<PublishTimes> {
  const parts = await Promise.all(
    cluster.nodes.map(async ({ name }) => {
      const text = await cluster.api.text({ path: `/api/v1/nodes/${name}/proxy/metrics` });
      return { count: sum(text, 'count'), seconds: sum(text, 'sum') };
    }),
  );
  return {
    count: parts.reduce((total, { count }) => total + count, 0),
    seconds: parts.reduce((total, { seconds }) => total + seconds, 0),
  };
}

/** The mean between two looks. */
export function meanMs(from: PublishTimes, to: PublishTimes): number {
  return Math.round(((to.seconds - from.seconds) * 1000) / Math.max(to.count - from.count, 1));
}

function sum(text: string, suffix: 'count' | 'sum'): number {
  return text
    .split('\n')
    .filter((line) => line.startsWith(`${METRIC}_${suffix}{`))
    .filter((line) => LABELS.every((label) => line.includes(label)))
    .reduce((total, line) => total + Number(line.split(' ').at(-1)), 0);
}
