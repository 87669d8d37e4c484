// `npm run bench:cluster`: what Signet needs with 20,000 pods and 200 policies on a real API server, in
// the cluster that `npm run test:cluster -- --keep smoke` left. Prints JSON.

import { agentPod, lineOf, whenReady } from './lib/agent-pod.ts';
import { attached } from './lib/attached.ts';
import type { Cluster } from './lib/cluster.ts';
import { hasCondition, type KubeObject, type Pod, podPath } from './lib/kube-object.ts';
import { type Component, cpuOf, processesOf } from './lib/processes.ts';
import {
  createAll,
  namespacesOf,
  nodesOf,
  podsOf,
  policiesOf,
  type Scale,
} from './lib/scale-objects.ts';
import { SIGNET_NAMESPACE } from './lib/signet.ts';
import { percentile } from './lib/statistics.ts';

const SCALE: Scale = { pods: 20_000, policies: 200, namespaces: 40, nodes: 200 };
const TRIES = 50;
const READY_MS = 180_000;
const NAMESPACE = 'scale';

const cluster = attached();
const begun = performance.now();
for (const objects of [nodesOf(SCALE), namespacesOf(SCALE), policiesOf(SCALE)]) {
  await createAll(cluster.api, objects);
}
await accounts();
await createAll(cluster.api, podsOf(SCALE));
const created = seconds(begun);
const start = { issuer: await restart('issuer'), controller: await restart('controller') };
const latency = await labelChanges();
const idle = {
  issuer: Math.round(await cpuOf('issuer', cluster.name, 10_000)),
  controller: Math.round(await cpuOf('controller', cluster.name, 10_000)),
};
const report = {
  scale: SCALE,
  createdInSeconds: created,
  secondsFromDeletedToReady: start,
  labelChangeToOpenStreamMs: {
    p50: percentile(latency, 0.5),
    p99: percentile(latency, 0.99),
    tries: TRIES,
  },
  cpuMillisecondsPerSecond: idle,
  rssMiB: {
    issuer: processesOf('issuer', cluster.name).map(({ rssMiB }) => rssMiB),
    controller: processesOf('controller', cluster.name).map(({ rssMiB }) => rssMiB),
  },
};
process.stdout.write(`${JSON.stringify(report, undefined, 1)}\n`);

/** Pods are refused before their namespace has its account. */
async function accounts(): Promise<void> {
  for (const { metadata } of namespacesOf(SCALE)) {
    const path = `/api/v1/namespaces/${metadata.name ?? ''}/serviceaccounts/default`;
    await cluster.api.waitFor(path, () => true);
  }
}

/** Deletes the component's pods; how long until all of its new ones are ready. */
async function restart(component: Component): Promise<number> {
  const selector = `labelSelector=app.kubernetes.io/component%3D${component}`;
  const path = `/api/v1/namespaces/${SIGNET_NAMESPACE}/pods?${selector}`;
  const before = await cluster.api.list<Pod>(path);
  const from = performance.now();
  for (const { metadata } of before) {
    await cluster.api.delete(podPath(SIGNET_NAMESPACE, metadata.name ?? ''));
  }
  const old = new Set(before.map(({ metadata }) => metadata.uid));
  const signal = AbortSignal.timeout(READY_MS);
  while (!signal.aborted) {
    const pods = (await cluster.api.list<Pod>(path)).filter(
      ({ metadata }) => !old.has(metadata.uid),
    );
    if (pods.length >= before.length && pods.every((pod) => hasCondition(pod, 'Ready'))) {
      return seconds(from);
    }
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  throw new Error(`${component}: not ready after ${READY_MS} ms`);
}

/** From the change of a pod's label to the new SPIFFE ID on its open stream. */
async function labelChanges(): Promise<readonly number[]> {
  await cluster.createNamespace(NAMESPACE, { 'signet.dev/inject': 'true' });
  const policy: KubeObject = {
    apiVersion: 'spire.spiffe.io/v1alpha1',
    kind: 'ClusterSPIFFEID',
    metadata: { name: 'scale-watched' },
    spec: {
      spiffeIDTemplate: 'spiffe://{{ .TrustDomain }}/try/{{ index .PodMeta.Labels "try" }}',
      namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': NAMESPACE } },
    },
  };
  const pod = agentPod({
    namespace: NAMESPACE,
    name: 'watcher',
    args: ['watch'],
    labels: { try: '0' },
  });
  await cluster.api.apply(policy, pod);
  await whenReady(cluster, pod);
  await seen(cluster, pod, 0);
  const latencies: number[] = [];
  for (let i = 1; i <= TRIES; i += 1) {
    const from = Date.now();
    await cluster.api.merge(podPath(NAMESPACE, 'watcher'), {
      metadata: { labels: { try: `${i}` } },
    });
    latencies.push((await seen(cluster, pod, i)) - from);
  }
  return latencies;
}

async function seen(cluster: Cluster, pod: Pod, i: number): Promise<number> {
  const accepts = (line: Readonly<Record<string, unknown>>): boolean =>
    String(line['id']).endsWith(`/try/${i}`);
  return Number((await lineOf(cluster, pod, { accepts }))['at']);
}

function seconds(from: number): number {
  return Math.round((performance.now() - from) / 100) / 10;
}
