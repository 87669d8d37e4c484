// All objects of the cluster that have a label, of every kind that the API server knows.

import type { Cluster } from './cluster.ts';
import type { KubeObject } from './kube-object.ts';

type Resources = {
  readonly resources: readonly {
    readonly name: string;
    readonly kind: string;
    readonly verbs: readonly string[];
  }[];
};
type Groups = {
  readonly groups: readonly { readonly preferredVersion: { readonly groupVersion: string } }[];
};

/** `KIND NAME` of each, sorted. */
export async function everything(
  { api }: Cluster,
  labelSelector: string,
): Promise<readonly string[]> {
  const { groups } = await api.json<Groups>({ path: '/apis' });
  const roots = [
    '/api/v1',
    ...groups.map(({ preferredVersion }) => `/apis/${preferredVersion.groupVersion}`),
  ];
  const found = new Set<string>();
  for (const root of roots) {
    // A group that goes with its CRDs is listed a moment longer.
    const served = await api.find<Resources & KubeObject>(root);
    for (const { name, kind, verbs } of served?.resources ?? []) {
      if (!verbs.includes('list')) continue;
      const path = `${root}/${name}?labelSelector=${encodeURIComponent(labelSelector)}`;
      const list = await api.find<KubeObject & { items: readonly KubeObject[] }>(path);
      for (const { metadata } of list?.items ?? []) {
        found.add(`${kind} ${metadata.name ?? ''}`);
      }
    }
  }
  return [...found].toSorted();
}
