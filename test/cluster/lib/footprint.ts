// What Signet holds on a node for the pods there, as the node sees it: what short-lived pods may leave.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Cluster } from './cluster.ts';
import { csiMounts, list } from './faults.ts';
import { cgroupOf } from './layout.ts';
import type { ClusterNode } from './node.ts';
import { processesOf } from './processes.ts';
import { DRIVER } from './volume-pod.ts';

export type Footprint = {
  /** Names that end without a pod: of pod directories and volume records. */
  readonly podDirectories: number;
  readonly records: number;
  readonly mounts: number;
  /** Of the node plugin's network, all bound or connected Unix sockets; and what it holds open. */
  readonly unixSockets: number;
  readonly descriptors: number;
};

/** Of each node, in their order. */
export async function footprints(cluster: Cluster): Promise<readonly Footprint[]> {
  return await Promise.all(cluster.nodes.map(async (node) => await footprint(cluster, node)));
}

async function footprint(cluster: Cluster, node: ClusterNode): Promise<Footprint> {
  const kubelet = join(node.directory, 'kubelet');
  const [plugin, ...others] = processesOf('node', cgroupOf(cluster.name, node.name));
  if (plugin === undefined || others.length > 0) throw new Error(`${node.name}: no one plugin`);
  const proc = `/proc/${plugin.pid}`;
  return {
    podDirectories: list(join(kubelet, 'pods')).length,
    records: list(join(kubelet, 'plugins/signet.dev', DRIVER, 'volumes')).length,
    mounts: (await csiMounts(node)).length,
    unixSockets: readFileSync(`${proc}/net/unix`, 'utf8').trim().split('\n').length - 1,
    descriptors: list(`${proc}/fd`).length,
  };
}

/** The largest resident memory of a component's processes, in MiB. */
export function memoryOf(cluster: Cluster, component: 'issuer' | 'node' | 'controller'): number {
  return Math.max(...processesOf(component, cluster.name).map(({ rssMiB }) => rssMiB));
}
