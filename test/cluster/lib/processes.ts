// The processes of Signet's containers, as this machine sees them: what they take.

import { readdirSync, readFileSync } from 'node:fs';

export type Component = 'issuer' | 'controller' | 'node';

export type ProcessUse = {
  readonly pid: number;
  readonly rssMiB: number;
  /** Processor time since it began. */
  readonly cpuMs: number;
};

/** `_SC_CLK_TCK` of Linux. */
const TICK_MS = 10;

/** `within`: the cluster's name, or a node's cgroup; several clusters may run on this machine. */
export function processesOf(component: Component, within: string): readonly ProcessUse[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((name) => {
      const argv = read(`/proc/${name}/cmdline`).split('\0');
      const program = argv.findIndex((argument) => argument.endsWith('/signet.mjs'));
      const isIt = program > 0 && argv[program + 1] === component && isNode(argv[0]);
      const isHere = isIt && read(`/proc/${name}/cgroup`).includes(`:/${within}`);
      return isHere ? [useOf(Number(name))] : [];
    });
}

/** Milliseconds of processor time a second, over the given time. */
export async function cpuOf(component: Component, within: string, ms: number): Promise<number> {
  const total = (): number =>
    processesOf(component, within).reduce((sum, { cpuMs }) => sum + cpuMs, 0);
  const before = total();
  await new Promise((resolve) => setTimeout(resolve, ms));
  return ((total() - before) * 1000) / ms;
}

function useOf(pid: number): ProcessUse {
  const [, kB = '0'] = /^VmRSS:\s+(\d+) kB/m.exec(read(`/proc/${pid}/status`)) ?? [];
  // The second field may hold spaces, so fields are counted from its end.
  const fields = read(`/proc/${pid}/stat`).split(') ').at(-1)?.split(' ') ?? [];
  const ticks = Number(fields[11]) + Number(fields[12]);
  return { pid, rssMiB: Math.round(Number(kB) / 1024), cpuMs: ticks * TICK_MS };
}

function isNode(program: string | undefined): boolean {
  return program?.endsWith('/node') === true;
}

/** Empty for a process that has ended meanwhile. */
function read(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}
