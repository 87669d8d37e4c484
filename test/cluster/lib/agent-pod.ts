// Pods of the agent image: their manifests, waiting for them, and the lines they print.

import type { Cluster } from './cluster.ts';
import { AGENT_IMAGE } from './images.ts';
import { hasCondition, type Pod, podPath } from './kube-object.ts';

export type AgentPod = {
  readonly namespace: string;
  readonly name: string;
  /** Of the agent program: `once`, `serve` and so on. */
  readonly args: readonly string[];
  /** Instead of the agent program: `/app/go-spiffe`, `sh`. */
  readonly command?: readonly string[];
  readonly node?: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly restartPolicy?: 'Always' | 'Never' | 'OnFailure';
  /** More of the pod's spec. */
  readonly spec?: object;
  /** More of its one container. */
  readonly container?: object;
};

export type Line = Readonly<Record<string, unknown>>;

const CONTAINER = 'agent';

export function agentPod(pod: AgentPod): Pod {
  const { namespace, name, args, command, node, labels = {}, annotations = {} } = pod;
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { namespace, name, labels, annotations },
    spec: {
      restartPolicy: pod.restartPolicy ?? 'Never',
      terminationGracePeriodSeconds: 2,
      // By the scheduler, as every other pod.
      ...(node === undefined ? {} : { nodeSelector: { 'kubernetes.io/hostname': node } }),
      ...pod.spec,
      containers: [
        {
          name: CONTAINER,
          image: AGENT_IMAGE,
          imagePullPolicy: 'Never',
          ...(command === undefined ? {} : { command }),
          args,
          ...pod.container,
        },
      ],
    },
  };
}

/** The same as a template for Deployments and Jobs. */
export function podTemplate(pod: Omit<AgentPod, 'name'>): object {
  const { metadata, spec } = agentPod({ ...pod, name: '' });
  return { metadata: { labels: metadata.labels, annotations: metadata.annotations }, spec };
}

export async function whenReady(
  cluster: Cluster,
  { metadata }: Pod,
  timeoutMs = 60_000,
): Promise<Pod> {
  const path = podPath(metadata.namespace ?? '', metadata.name ?? '');
  return await cluster.api.waitFor<Pod>(path, (pod) => hasCondition(pod, 'Ready'), { timeoutMs });
}

export type Ended = {
  readonly exitCode: number;
  readonly lines: readonly Line[];
  readonly pod: Pod;
};

/** Its exit code and what it printed. */
export async function whenEnded(
  cluster: Cluster,
  { metadata }: Pod,
  timeoutMs = 60_000,
): Promise<Ended> {
  const path = podPath(metadata.namespace ?? '', metadata.name ?? '');
  const pod = await cluster.api.waitFor<Pod>(path, hasEnded, { timeoutMs });
  return { exitCode: exitCodeOf(pod) ?? -1, lines: await linesOf(cluster, pod), pod };
}

/** The JSON lines it has printed so far; others are left out. */
export async function linesOf(
  cluster: Cluster,
  { metadata }: Pod,
  container = CONTAINER,
): Promise<readonly Line[]> {
  const path = `${podPath(metadata.namespace ?? '', metadata.name ?? '')}/log?container=${container}`;
  return parseLines(await cluster.api.text({ path }));
}

/** The first line that the predicate accepts, by following the log. */
export async function lineOf(
  cluster: Cluster,
  { metadata }: Pod,
  { accepts, timeoutMs = 30_000 }: { accepts: (line: Line) => boolean; timeoutMs?: number },
): Promise<Line> {
  const log = `${podPath(metadata.namespace ?? '', metadata.name ?? '')}/log`;
  // Whole lines: the kubelet writes into the log when it cannot follow it.
  const seen: string[] = [];
  const signal = AbortSignal.timeout(timeoutMs);
  for await (const text of cluster.api.follow(
    `${log}?container=${CONTAINER}&follow=true`,
    signal,
  )) {
    const [line] = parseLines(text);
    if (line !== undefined && accepts(line)) return line;
    seen.push(text);
  }
  const why = signal.aborted
    ? `waited ${timeoutMs} ms for a line`
    : 'the log ended before the line';
  throw new Error(`${why}; last: ${JSON.stringify(seen.slice(-3))}`);
}

export function parseLines(text: string): readonly Line[] {
  return text.split('\n').flatMap((line) => {
    if (!line.startsWith('{')) return [];
    try {
      return [JSON.parse(line) as Line];
    } catch {
      return [];
    }
  });
}

function hasEnded(pod: Pod): boolean {
  return exitCodeOf(pod) !== undefined && ['Succeeded', 'Failed'].includes(pod.status?.phase ?? '');
}

function exitCodeOf(pod: Pod): number | undefined {
  return pod.status?.containerStatuses?.[0]?.state?.terminated?.exitCode;
}
