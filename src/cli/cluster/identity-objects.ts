// The objects of a cluster that identities depend on, put into a view: all policies and restrictions,
// and pods with what is around them.

import { CodedError } from '../../base/errors.ts';
import type { IdentityKind, IdentityView } from '../../identity/identity-view.ts';
import { segment } from '../../kube/kube-client.ts';
import type { JsonObject } from '../../template/json-value.ts';
import { type ClusterReader, nameOf, textAt } from './reader.ts';

export type Loading = {
  readonly view: IdentityView;
  readonly reader: ClusterReader;
  readonly warn: (line: string) => void;
};

export const POLICIES_PATH = '/apis/spire.spiffe.io/v1alpha1/clusterspiffeids';
const STATIC_ENTRIES_PATH = '/apis/spire.spiffe.io/v1alpha1/clusterstaticentries';
export const RESTRICTIONS_PATH = '/apis/signet.dev/v1alpha1/identityrestrictions';

/** Every policy, static entry and restriction; returns what gives identities, by kind and name. */
export async function loadPolicies(loading: Loading): Promise<ReadonlyMap<string, JsonObject>> {
  const given = new Map<string, JsonObject>();
  for (const [kind, path] of [
    ['ClusterSPIFFEID', POLICIES_PATH],
    ['ClusterStaticEntry', STATIC_ENTRIES_PATH],
  ] as const) {
    for (const each of await loadList(loading, kind, path))
      given.set(`${kind}/${nameOf(each)}`, each);
  }
  await loadList(loading, 'IdentityRestriction', RESTRICTIONS_PATH);
  return given;
}

/** One pod, its namespace, its node, and its namespace's Services where a policy reads them. */
export async function loadPod(
  loading: Loading,
  { namespace, name }: { readonly namespace: string; readonly name: string },
): Promise<{ readonly pod: JsonObject; readonly namespace: JsonObject | undefined } | undefined> {
  const { reader } = loading;
  const inNamespace = `/api/v1/namespaces/${segment(namespace)}`;
  const pod = await reader.get(`${inNamespace}/pods/${segment(name)}`);
  if (pod === undefined) return undefined;
  const around = await readable(loading, async () => await reader.get(inNamespace));
  const node = textAt(pod, 'spec', 'nodeName');
  if (around !== undefined) take(loading, 'Namespace', around);
  if (node !== '') {
    const found = await readable(
      loading,
      async () => await reader.get(`/api/v1/nodes/${segment(node)}`),
    );
    if (found !== undefined) take(loading, 'Node', found);
  }
  if (readsServices(loading.view)) await loadServices(loading, namespace);
  take(loading, 'Pod', pod);
  return { pod, namespace: around };
}

/** Every pod, or those of a namespace, and what is around them. */
export async function loadPods(loading: Loading, namespace: string | undefined): Promise<void> {
  await loadList(loading, 'Namespace', '/api/v1/namespaces');
  await loadList(loading, 'Node', '/api/v1/nodes');
  if (readsServices(loading.view)) await loadServices(loading, namespace);
  await loadList(loading, 'Pod', within('/api/v1', namespace, 'pods'));
}

async function loadServices(loading: Loading, namespace: string | undefined): Promise<void> {
  await loadList(loading, 'Service', within('/api/v1', namespace, 'services'));
  const slices = within('/apis/discovery.k8s.io/v1', namespace, 'endpointslices');
  await loadList(loading, 'EndpointSlice', slices);
}

export function within(group: string, namespace: string | undefined, plural: string): string {
  const place = namespace === undefined ? '' : `/namespaces/${segment(namespace)}`;
  return `${group}${place}/${plural}`;
}

async function loadList(
  loading: Loading,
  kind: IdentityKind,
  path: string,
): Promise<readonly JsonObject[]> {
  const objects = await readable(loading, async () => await loading.reader.list(path));
  if (objects === undefined) loading.warn(`${kind}: nothing could be read`);
  for (const object of objects ?? []) take(loading, kind, object);
  return objects ?? [];
}

function take({ view, warn }: Loading, kind: IdentityKind, object: JsonObject): void {
  const name = nameOf(object);
  const errors = view.apply({
    kind,
    namespace: textAt(object, 'metadata', 'namespace'),
    name,
    object,
  });
  for (const error of errors) warn(`${kind} ${name}: ${error}`);
}

/** What an account may not read is said, and the rest still told. */
async function readable<T>(
  { warn }: Loading,
  read: () => Promise<T | undefined>,
): Promise<T | undefined> {
  try {
    return await read();
  } catch (thrown) {
    const error = CodedError.from(thrown);
    if (error.code !== 'permission-denied') throw thrown;
    warn(error.message);
    return undefined;
  }
}

function readsServices(view: IdentityView): boolean {
  return [...view.index.matcher.slots].some(({ policy }) => policy.autoPopulateDnsNames);
}
