// Many pods at once: followed by one watch until all of them are as they should be.

import type { Cluster } from './cluster.ts';
import { type KubeObject, objectPath, type Pod } from './kube-object.ts';

export type Wanted = {
  readonly namespace: string;
  /** `app=web`; all pods of the namespace without it. */
  readonly selector?: string;
  readonly count: number;
  readonly accepts: (pod: Pod) => boolean;
  readonly timeoutMs?: number;
};

const DEFAULT_WAIT_MS = 120_000;
const AT_ONCE = 10;

/** The pods, once there are that many that the predicate accepts; pods that are going do not count. */
export async function whenAll(cluster: Cluster, wanted: Wanted): Promise<readonly Pod[]> {
  const { namespace, selector, count, accepts, timeoutMs = DEFAULT_WAIT_MS } = wanted;
  const query = selector === undefined ? '' : `?labelSelector=${encodeURIComponent(selector)}`;
  const path = `/api/v1/namespaces/${namespace}/pods${query}`;
  const pods = new Map<string, Pod>();
  const signal = AbortSignal.timeout(timeoutMs);
  while (!signal.aborted) {
    pods.clear();
    for await (const { type, object } of cluster.api.watch(path, signal)) {
      if (type === 'ERROR') break;
      const name = object.metadata.name ?? '';
      const isGoing = type === 'DELETED' || object.metadata.deletionTimestamp !== undefined;
      if (isGoing) pods.delete(name);
      else pods.set(name, object as Pod);
      const accepted = [...pods.values()].filter(accepts);
      if (accepted.length >= count) return accepted;
    }
  }
  const last = [...pods.values()].filter((pod) => !accepts(pod)).slice(0, 3);
  const seen = last.map(({ metadata, status }) => ({ name: metadata.name, status }));
  throw new Error(
    `waited ${timeoutMs} ms for ${count} pods of ${path}: ${pods.size} there; ${JSON.stringify(seen)}`,
  );
}

/** Creates objects, a few at a time. */
export async function createAtOnce(
  cluster: Cluster,
  objects: readonly KubeObject[],
): Promise<void> {
  const rest = [...objects];
  const one = async (): Promise<void> => {
    for (let next = rest.shift(); next !== undefined; next = rest.shift()) {
      await cluster.api.create(next);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, one));
}

/** With almost no grace, and until all are gone. */
export async function deletePods(cluster: Cluster, pods: readonly Pod[]): Promise<void> {
  for (const pod of pods) await cluster.api.delete(objectPath(pod), { gracePeriodSeconds: 1 });
  const timeoutMs = DEFAULT_WAIT_MS;
  for (const pod of pods) await cluster.api.waitGone(objectPath(pod), { timeoutMs });
}

export function nodesOf(pods: readonly Pod[]): readonly string[] {
  return [...new Set(pods.map(({ spec }) => spec.nodeName ?? ''))].toSorted();
}
