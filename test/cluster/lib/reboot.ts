// A node's reboot: nothing of it runs, mounts and what is in memory are gone, its disk stays. Sockets on
// the disk stay too, with nobody behind them.

import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Cluster } from './cluster.ts';
import { until } from './commands.ts';
import type { KubeObject } from './kube-object.ts';
import { cgroupOf } from './layout.ts';
import type { ClusterNode } from './node.ts';

type Lease = KubeObject & { readonly spec?: { readonly renewTime?: string } };

const LEASES = '/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases';
const KUBELET_MS = 60_000;

/** Resolves when its kubelet is there again, with the moment it was first started. */
export async function reboot(cluster: Cluster, node: ClusterNode): Promise<number> {
  await node.kubelet.stop('SIGKILL');
  await node.proxy.stop('SIGKILL');
  await node.containerd.stop('SIGKILL');
  const group = cgroupOf(cluster.name, node.name);
  await until('all processes of the node to end', () => {
    const running = processes(group, node.directory);
    for (const pid of running) kill(pid);
    return running.length === 0 ? true : undefined;
  });
  const state = join(node.directory, 'containerd/state');
  const lost = `^(/var/lib/kubelet/|${state}/|/run/netns/cni-)`;
  const script = [
    `for m in $(awk '{print $5}' /proc/self/mountinfo | grep -E '${lost}' | sort -r); do umount -l "$m"; done`,
    'find /run -mindepth 1 -delete',
    'mkdir -p /run/netns',
    `find ${state} -mindepth 1 -delete`,
    'ip link del cni0 2>/dev/null || true',
  ];
  const { status, stderr } = await node.exec(['sh', '-c', `set -e\n${script.join('\n')}`]);
  if (status !== 0) throw new Error(`${node.name}: ${stderr}`);
  node.containerd.start();
  await until(`containerd of ${node.name}`, async () =>
    (await node.ctr(['version'])).status === 0 ? true : undefined,
  );
  node.proxy.start();
  const up = Date.now();
  await until(
    `the kubelet of ${node.name}`,
    async () => {
      // As an init system does when it ends at its start.
      node.kubelet.start();
      const lease = await cluster.api.find<Lease>(`${LEASES}/${node.name}`);
      return Date.parse(lease?.spec?.renewTime ?? '') > up ? true : undefined;
    },
    { timeoutMs: KUBELET_MS, everyMs: 250 },
  );
  return up;
}

/** Of its pods, and the shims that hold them. */
function processes(group: string, directory: string): readonly number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => inGroup(group, pid) || isShim(directory, pid))
    .map(Number);
}

function inGroup(group: string, pid: string): boolean {
  const lines = read(`/proc/${pid}/cgroup`).split('\n');
  const isZombie = read(`/proc/${pid}/stat`).split(') ').at(-1)?.startsWith('Z') === true;
  return !isZombie && lines.some((line) => line.split(':')[2]?.split('/')[1] === group);
}

function isShim(directory: string, pid: string): boolean {
  const argv = read(`/proc/${pid}/cmdline`).split('\0');
  const address = argv[argv.indexOf('-address') + 1] ?? '';
  return (argv[0] ?? '').includes('containerd-shim') && address.startsWith(`${directory}/`);
}

function read(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It has just ended.
  }
}
