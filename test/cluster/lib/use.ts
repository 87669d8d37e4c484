// What Signet's processes take while nothing happens.

import { readFileSync } from 'node:fs';
import type { Cluster } from './cluster.ts';
import { cgroupOf } from './layout.ts';
import { type Component, type ProcessUse, processesOf } from './processes.ts';
import { figure } from './report.ts';

const COMPONENTS = ['issuer', 'controller', 'node'] as const;
const OVER_MS = 5000;

/** Prints processor time and memory of each component; all are looked at over the same time. */
export async function reportIdleUse(cluster: Cluster, pods: number): Promise<void> {
  const before = COMPONENTS.map((component) => ownProcesses(cluster, component));
  await new Promise((resolve) => setTimeout(resolve, OVER_MS));
  for (const [index, component] of COMPONENTS.entries()) {
    const after = ownProcesses(cluster, component);
    const spent = totalCpu(after) - totalCpu(before[index] ?? []);
    const label = `idle ${component}, ${pods} pods`;
    figure(`${label}: processor, all replicas`, Math.round((spent * 1000) / OVER_MS), 'ms/s');
    figure(`${label}: memory, largest`, Math.max(...after.map(({ rssMiB }) => rssMiB)), 'MiB');
  }
}

/** Other clusters may run on this machine. */
function ownProcesses(cluster: Cluster, component: Component): readonly ProcessUse[] {
  const cgroups = cluster.nodes.map(({ name }) => `/${cgroupOf(cluster.name, name)}/`);
  return processesOf(component).filter(({ pid }) => {
    const own = read(`/proc/${pid}/cgroup`);
    return cgroups.some((cgroup) => own.includes(cgroup));
  });
}

function totalCpu(processes: readonly ProcessUse[]): number {
  return processes.reduce((sum, { cpuMs }) => sum + cpuMs, 0);
}

/** Empty for a process that has ended meanwhile. */
function read(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}
