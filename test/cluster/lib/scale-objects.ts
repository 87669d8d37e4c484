// Objects of a big cluster that nobody runs: nodes without a kubelet, pods bound to them, policies.

import type { KubeApi } from './kube-api.ts';
import { ApiError } from './kube-api.ts';
import type { KubeObject } from './kube-object.ts';

export type Scale = {
  readonly pods: number;
  readonly policies: number;
  readonly namespaces: number;
  readonly nodes: number;
};

/** Requests at a time: more only queue in the API server. */
const AT_ONCE = 48;

export function nodesOf({ nodes }: Scale): readonly KubeObject[] {
  return range(nodes).map((i) => ({
    apiVersion: 'v1',
    kind: 'Node',
    metadata: { name: `empty-${i}`, labels: { 'kubernetes.io/hostname': `empty-${i}` } },
    // Nothing is scheduled here by itself.
    spec: { unschedulable: true, taints: [{ key: 'signet.test/empty', effect: 'NoSchedule' }] },
  }));
}

export function namespacesOf({ namespaces }: Scale): readonly KubeObject[] {
  return range(namespaces).map((i) => ({
    apiVersion: 'v1',
    kind: 'Namespace',
    metadata: { name: `many-${i}`, labels: { tier: i % 2 === 0 ? 'even' : 'odd' } },
  }));
}

export function policiesOf({ policies, namespaces }: Scale): readonly KubeObject[] {
  return range(policies).map((i) => ({
    apiVersion: 'spire.spiffe.io/v1alpha1',
    kind: 'ClusterSPIFFEID',
    metadata: { name: `many-${i}` },
    spec: {
      spiffeIDTemplate: `spiffe://{{ .TrustDomain }}/p${i}/ns/{{ .PodMeta.Namespace }}/sa/{{ .PodSpec.ServiceAccountName }}`,
      podSelector: { matchLabels: { slot: String(i % 50) } },
      namespaceSelector: {
        matchLabels: { 'kubernetes.io/metadata.name': `many-${i % namespaces}` },
      },
    },
  }));
}

export function podsOf({ pods, namespaces, nodes }: Scale): readonly KubeObject[] {
  return range(pods).map((i) => ({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      name: `pod-${i}`,
      namespace: `many-${i % namespaces}`,
      labels: { app: `app-${i % 200}`, slot: String(i % 50), 'pod-template-hash': `${i % 977}` },
    },
    spec: {
      nodeName: `empty-${i % nodes}`,
      automountServiceAccountToken: false,
      // Nodes that never report are given up by the controllers; their pods stay.
      tolerations: [{ operator: 'Exists' }],
      containers: [{ name: 'main', image: 'none', env: [{ name: 'A', value: 'x'.repeat(64) }] }],
      volumes: [{ name: 'spiffe', csi: { driver: 'csi.spiffe.io', readOnly: true } }],
    },
  }));
}

/** Creates all; those that are there already are left as they are. */
export async function createAll(api: KubeApi, objects: readonly KubeObject[]): Promise<void> {
  const left = objects.values();
  const worker = async (): Promise<void> => {
    for (const object of left) {
      try {
        await api.create(object);
      } catch (thrown) {
        if (!(thrown instanceof ApiError && thrown.status === 409)) throw thrown;
      }
    }
  };
  await Promise.all(range(AT_ONCE).map(worker));
}

function range(length: number): readonly number[] {
  return Array.from({ length }, (_, index) => index);
}
