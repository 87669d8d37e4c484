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
    const { resources } = await api.json<Resources>({ path: root });
    for (const { name, kind, verbs } of resources) {
      if (!verbs.includes('list')) continue;
      const path = `${root}/${name}?labelSelector=${encodeURIComponent(labelSelector)}`;
      for (const { metadata } of await api.list<KubeObject>(path)) {
        found.add(`${kind} ${metadata.name ?? ''}`);
      }
    }
  }
  return [...found].toSorted();
}
