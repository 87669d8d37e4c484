// What nodes must be like: kubelet versions, where kubelets keep their pods, and who still mounts the
// driver where.

import type { JsonObject } from '../../template/json-value.ts';
import { type ClusterReader, nameOf, objectAt, objectsIn, textAt } from '../cluster/reader.ts';
import { isOurs } from './before-install.ts';
import { type Check, fail, ok, someOf, type Verdict, warn } from './finding.ts';

const MIN_MINOR = 30;
const USUAL_ROOT = '/var/lib/kubelet';

/** Distributions by what they write on their nodes, and where their kubelets keep pods. */
const ROOTS: readonly { readonly found: (node: JsonObject) => boolean; readonly root: string }[] = [
  {
    found: (node) => kubeletVersion(node).includes('+k0s'),
    root: '/var/lib/k0s/kubelet',
  },
  {
    found: (node) => textAt(node, 'metadata', 'labels', 'microk8s.io/cluster') !== '',
    root: '/var/snap/microk8s/common/var/lib/kubelet',
  },
];

export const NODES: Check = {
  name: 'nodes',
  run: async ({ reader }) => {
    const nodes = (await reader.list('/api/v1/nodes')) ?? [];
    const verdicts = [
      ...about(nodes, (node) => minorOf(node) < MIN_MINOR, {
        message: `kubelet older than v1.${MIN_MINOR}`,
        hint: 'upgrade these nodes',
      }),
      ...about(nodes, isVirtual, {
        message: 'no DaemonSet runs there, so their pods get no identity',
        hint: 'keep agents off virtual nodes',
      }),
      ...about(
        nodes,
        (node) => textAt(node, 'metadata', 'labels', 'kubernetes.io/os') === 'windows',
        {
          message: 'Windows: not served',
          hint: '',
        },
      ),
    ];
    return verdicts.length > 0 ? verdicts : [ok(`${nodes.length} of them, all fit`)];
  },
};

/** The API does not tell a kubelet's root, but distributions and other drivers give it away. */
export const KUBELET_ROOT: Check = {
  name: 'kubelet-root',
  run: async ({ reader }) => {
    const nodes = (await reader.list('/api/v1/nodes')) ?? [];
    const byDistribution = ROOTS.flatMap(({ found, root }) => (nodes.some(found) ? [root] : []));
    const byDrivers = await registrationRoots(reader);
    const roots = new Set([...byDistribution, ...byDrivers]);
    const others = [...roots].filter((root) => root !== USUAL_ROOT);
    if (others.length > 0) {
      const hint = `set the chart's kubeletDir where it is not ${USUAL_ROOT}`;
      return [warn(`kubelets keep their pods in ${[...roots].join(', ')}`, hint)];
    }
    return [
      ok(
        roots.size > 0
          ? `${USUAL_ROOT}, as other CSI drivers have it`
          : `nothing says that it is not ${USUAL_ROOT}`,
      ),
    ];
  },
};

async function registrationRoots(reader: ClusterReader): Promise<readonly string[]> {
  const sets = (await reader.list('/apis/apps/v1/daemonsets')) ?? [];
  return sets
    .filter((set) => !isOurs(set))
    .flatMap((set) => objectsIn(objectAt(set, 'spec', 'template', 'spec'), 'volumes'))
    .flatMap((volume) => {
      const [, root] =
        /^(\/.+)\/plugins_registry\/?$/.exec(textAt(volume, 'hostPath', 'path')) ?? [];
      return root === undefined ? [] : [root];
    });
}

/** Pods that mount a driver that is not ours yet: their volumes can never become ours. */
export const FOREIGN_VOLUMES: Check = {
  name: 'foreign-volumes',
  run: async ({ reader, driverName }) => {
    const driver = await reader.get(`/apis/storage.k8s.io/v1/csidrivers/${driverName}`);
    if (driver !== undefined && isOurs(driver)) return [ok(`${driverName} is ours already`)];
    const pods = await podsWithDriver(reader, driverName);
    if (pods.length === 0) return [ok(`no pod mounts ${driverName}`)];
    return byNode(pods).map(([node, names]) =>
      warn(
        `node ${node}: ${names.length} pods mount ${driverName} of somebody else: ${someOf(names)}`,
        `kubectl drain ${node} before Signet takes over there`,
      ),
    );
  },
};

/** The driver may go once nobody has it mounted: kubelets cannot unmount without it. */
export const STILL_MOUNTED: Check = {
  name: 'still-mounted',
  run: async ({ reader, driverName }) => {
    const pods = await podsWithDriver(reader, driverName);
    if (pods.length === 0) return [ok(`no pod mounts ${driverName}`)];
    return byNode(pods).map(([node, names]) =>
      fail(
        `node ${node}: ${names.length} pods mount ${driverName}: ${someOf(names)}`,
        'delete or change them first: without the driver they hang in Terminating',
      ),
    );
  },
};

export type MountingPod = { readonly node: string; readonly name: string };

/** Pods on nodes, not over yet, with a volume of the driver. */
export async function podsWithDriver(
  reader: ClusterReader,
  driverName: string,
): Promise<readonly MountingPod[]> {
  const found: MountingPod[] = [];
  for await (const page of reader.pages('/api/v1/pods')) {
    for (const pod of page ?? []) {
      const node = textAt(pod, 'spec', 'nodeName');
      const isOver = ['Succeeded', 'Failed'].includes(textAt(pod, 'status', 'phase'));
      if (node === '' || isOver || !mounts(pod, driverName)) continue;
      found.push({ node, name: `${textAt(pod, 'metadata', 'namespace')}/${nameOf(pod)}` });
    }
  }
  return found;
}

export function mounts(pod: JsonObject, driverName: string): boolean {
  return objectsIn(objectAt(pod, 'spec'), 'volumes').some(
    (volume) => textAt(volume, 'csi', 'driver') === driverName,
  );
}

function byNode(pods: readonly MountingPod[]): readonly (readonly [string, readonly string[]])[] {
  const nodes = Map.groupBy(pods, ({ node }) => node);
  return [...nodes].map(([node, found]) => [node, found.map(({ name }) => name)] as const);
}

function about(
  nodes: readonly JsonObject[],
  isSo: (node: JsonObject) => boolean,
  { message, hint }: { readonly message: string; readonly hint: string },
): readonly Verdict[] {
  const names = nodes.filter(isSo).map(nameOf);
  return names.length === 0 ? [] : [warn(`${someOf(names)}: ${message}`, hint)];
}

function isVirtual(node: JsonObject): boolean {
  const labels = objectAt(node, 'metadata', 'labels');
  return (
    textAt(labels, 'type') === 'virtual-kubelet' ||
    textAt(labels, 'eks.amazonaws.com/compute-type') === 'fargate'
  );
}

function kubeletVersion(node: JsonObject): string {
  return textAt(node, 'status', 'nodeInfo', 'kubeletVersion');
}

function minorOf(node: JsonObject): number {
  const [, minor] = /^v1\.(\d+)/.exec(kubeletVersion(node)) ?? [];
  return minor === undefined ? MIN_MINOR : Number(minor);
}
