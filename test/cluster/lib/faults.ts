// What fault tests break and look at: Signet's own processes, volumes as the node sees them, and many
// pods whose streams are held against what happened.

import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Line, linesOf } from './agent-pod.ts';
import type { Cluster } from './cluster.ts';
import { attempt, until } from './commands.ts';
import { appIdentity, optedIn, remove } from './identities.ts';
import { hasCondition, type KubeObject, type Pod } from './kube-object.ts';
import type { ClusterNode } from './node.ts';
import { createAtOnce, whenAll } from './pods.ts';
import { SIGNET_NAMESPACE } from './signet.ts';

export type Part = 'issuer' | 'controller' | 'node';

const TICK_MS = 10;
const BACK_MS = 90_000;
const LEAVE_MS = 180_000;

/** Signet's pods of a part that are there and not going, on one node or on all. */
export async function signetPods(
  cluster: Cluster,
  part: Part,
  node?: ClusterNode,
): Promise<readonly Pod[]> {
  const selector = `labelSelector=app.kubernetes.io/component=${part}`;
  const path = `/api/v1/namespaces/${SIGNET_NAMESPACE}/pods?${selector}`;
  const pods = await cluster.api.list<Pod>(path);
  return pods.filter(
    ({ metadata, spec }) =>
      metadata.deletionTimestamp === undefined &&
      (node === undefined || spec.nodeName === node.name),
  );
}

export async function scale(cluster: Cluster, part: Part, replicas: number): Promise<void> {
  const path = `/apis/apps/v1/namespaces/${SIGNET_NAMESPACE}/deployments/signet-${part}`;
  await cluster.api.merge(`${path}/scale`, { spec: { replicas } });
  await whenSigned(cluster, part, replicas);
}

/** As many of a part as wanted are there, ready, and nobody else. */
export async function whenSigned(cluster: Cluster, part: Part, count: number): Promise<void> {
  await until(
    `${count} of signet-${part}`,
    async () => {
      const path = `/api/v1/namespaces/${SIGNET_NAMESPACE}/pods?labelSelector=app.kubernetes.io/component=${part}`;
      const pods = await cluster.api.list<Pod>(path);
      const ready = pods.filter((pod) => hasCondition(pod, 'Ready'));
      return pods.length === count && ready.length === count ? true : undefined;
    },
    { timeoutMs: BACK_MS, everyMs: 200 },
  );
}

/** The process `signet PART` of a pod, as this machine sees it. */
export function signetProcess({ metadata }: Pod, part: Part): number | undefined {
  const uid = metadata.uid ?? '';
  const found = readdirSync('/proc').find((name) => {
    if (!/^\d+$/.test(name) || !read(`/proc/${name}/cgroup`).includes(uid)) return false;
    const argv = read(`/proc/${name}/cmdline`).split('\0');
    return argv[argv.findIndex((argument) => argument.endsWith('/signet.mjs')) + 1] === part;
  });
  return found === undefined ? undefined : Number(found);
}

/** SIGKILL, from outside; the PID is of a process that belongs to this cluster's pod. */
export function killProcess(pod: Pod, part: Part): number {
  const pid = signetProcess(pod, part);
  if (pid === undefined) throw new Error(`${pod.metadata.name ?? ''} has no process`);
  process.kill(pid, 'SIGKILL');
  return pid;
}

/** When a process began, by the machine's clock. */
export function startedAt(pid: number): number {
  const fields = read(`/proc/${pid}/stat`).split(') ').at(-1)?.split(' ') ?? [];
  const [uptime = '0'] = read('/proc/uptime').split(' ');
  return Date.now() - Number(uptime) * 1000 + Number(fields[19]) * TICK_MS;
}

/** A command in a pod's network, by the tools of this machine. */
export async function inPodNetwork(pid: number, argv: readonly string[]): Promise<void> {
  const { status, stderr } = await attempt(['nsenter', '-t', String(pid), '-n', '--', ...argv]);
  if (status !== 0) throw new Error(`${argv.join(' ')}: ${stderr}`);
}

export type Fleet = {
  readonly namespace: string;
  readonly prefix: string;
  readonly count: number;
  readonly node?: string;
  readonly args?: readonly string[];
};

/** Pods that hold a stream each; resolves when all have an identity. */
export async function startFleet(cluster: Cluster, fleet: Fleet): Promise<readonly Pod[]> {
  const { namespace, prefix, count, node, args = ['watch'] } = fleet;
  const labels = { fleet: prefix };
  const wanted = Array.from({ length: count }, (_, index) =>
    optedIn({
      namespace,
      name: `${prefix}-${index}`,
      args,
      labels,
      restartPolicy: 'Always',
      ...(node === undefined ? {} : { node }),
    }),
  );
  await createAtOnce(cluster, wanted);
  const pods = await whenAll(cluster, {
    namespace,
    selector: `fleet=${prefix}`,
    count,
    accepts: (pod) => hasCondition(pod, 'Ready'),
  });
  await eachAfter({ cluster, pods, since: 0 }, isUpdate);
  return pods;
}

/** Removes policy and namespace of a fleet; many pods at once take a busy machine a while. */
export async function leave(cluster: Cluster, namespace: string): Promise<void> {
  await remove(cluster, appIdentity(namespace));
  const path = `/api/v1/namespaces/${namespace}`;
  await cluster.api.delete(path);
  await cluster.api.waitGone(path, { timeoutMs: LEAVE_MS });
}

export function isUpdate(line: Line): boolean {
  return line['event'] === 'update';
}

export type Since = {
  readonly cluster: Cluster;
  readonly pods: readonly Pod[];
  readonly since: number;
  readonly timeoutMs?: number;
};

/** Of each pod the first line after that moment which is accepted. */
export async function eachAfter(
  { cluster, pods, since, timeoutMs = BACK_MS }: Since,
  accepts: (line: Line) => boolean,
): Promise<readonly Line[]> {
  const found = new Map<string, Line>();
  await until(
    `a line of each of ${pods.length} pods`,
    async () => {
      for (const pod of pods) {
        const name = pod.metadata.name ?? '';
        if (found.has(name)) continue;
        const lines = await linesOf(cluster, pod).catch(() => []);
        const line = lines.find((line) => Number(line['at']) > since && accepts(line));
        if (line !== undefined) found.set(name, line);
      }
      return found.size === pods.length ? true : undefined;
    },
    { timeoutMs, everyMs: 500 },
  );
  return pods.map((pod) => found.get(pod.metadata.name ?? '') ?? {});
}

/** Everything that pods printed after a moment. */
export async function allAfter(
  cluster: Cluster,
  pods: readonly Pod[],
  since: number,
): Promise<readonly Line[]> {
  const lines: Line[] = [];
  for (const pod of pods) lines.push(...(await linesOf(cluster, pod)));
  return lines.filter((line) => Number(line['at']) > since);
}

/** What a pod's identity volume holds on its node: `undefined` when there is none. */
export function volumeOf(node: ClusterNode, { metadata }: Pod): string | undefined {
  const volumes = join(node.directory, 'kubelet/pods', metadata.uid ?? '', 'volumes');
  const csi = join(volumes, 'kubernetes.io~csi');
  const [name] = list(csi);
  return name === undefined ? undefined : join(csi, name, 'mount');
}

/** The kubelet's directory of a pod. */
export function podDirectory(node: ClusterNode, { metadata }: KubeObject): string {
  return join(node.directory, 'kubelet/pods', metadata.uid ?? '');
}

/** Mounts below CSI volumes in the node's namespace; ours makes none. */
export async function csiMounts(node: ClusterNode): Promise<readonly string[]> {
  const { stdout } = await node.exec(['cat', '/proc/self/mountinfo']);
  return stdout.split('\n').filter((line) => line.includes('kubernetes.io~csi'));
}

export function list(directory: string): readonly string[] {
  try {
    return readdirSync(directory);
  } catch {
    return [];
  }
}

function read(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}
