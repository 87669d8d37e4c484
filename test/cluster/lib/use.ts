// What Signet's processes take while nothing happens.

import type { Cluster } from './cluster.ts';
import { type ProcessUse, processesOf } from './processes.ts';
import { figure } from './report.ts';

const COMPONENTS = ['issuer', 'controller', 'node'] as const;
const OVER_MS = 5000;

/** Prints processor time and memory of each component; all are looked at over the same time. */
export async function reportIdleUse({ name }: Cluster, pods: number): Promise<void> {
  const before = COMPONENTS.map((component) => processesOf(component, name));
  await new Promise((resolve) => setTimeout(resolve, OVER_MS));
  for (const [index, component] of COMPONENTS.entries()) {
    const after = processesOf(component, name);
    const spent = totalCpu(after) - totalCpu(before[index] ?? []);
    const label = `idle ${component}, ${pods} pods`;
    figure(`${label}: processor, all replicas`, Math.round((spent * 1000) / OVER_MS), 'ms/s');
    figure(`${label}: memory, largest`, Math.max(...after.map(({ rssMiB }) => rssMiB)), 'MiB');
  }
}

function totalCpu(processes: readonly ProcessUse[]): number {
  return processes.reduce((sum, { cpuMs }) => sum + cpuMs, 0);
}
