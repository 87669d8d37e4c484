// Which API group each kind belongs to that dev mode and offline commands know: other groups have
// kinds of the same names, which mean something else.

import type { IdentityKind } from '../identity/identity-view.ts';
import type { ManifestObject } from './read-manifests.ts';

const GROUPS: ReadonlyMap<string, string> = new Map([
  ['Pod', ''],
  ['Namespace', ''],
  ['Node', ''],
  ['Service', ''],
  ['EndpointSlice', 'discovery.k8s.io'],
  ['ClusterSPIFFEID', 'spire.spiffe.io'],
  ['ClusterStaticEntry', 'spire.spiffe.io'],
  ['IdentityRestriction', 'signet.dev'],
] satisfies [IdentityKind, string][]);
const WORKLOAD_GROUPS: ReadonlyMap<string, string> = new Map([
  ['Deployment', 'apps'],
  ['StatefulSet', 'apps'],
  ['Job', 'batch'],
]);

type Kind = Pick<ManifestObject, 'apiVersion' | 'kind'>;

/** Whether identities depend on it. */
export function isIdentityObject<T extends Kind>(object: T): object is T & { kind: IdentityKind } {
  return GROUPS.get(object.kind) === groupOf(object);
}

/** Whether it stands for pods. */
export function isWorkload(object: Kind): boolean {
  return WORKLOAD_GROUPS.get(object.kind) === groupOf(object);
}

function groupOf({ apiVersion }: Kind): string {
  const slash = apiVersion.indexOf('/');
  return slash === -1 ? '' : apiVersion.slice(0, slash);
}
