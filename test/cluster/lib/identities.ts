// Who gets which identity, as tests ask for it: policies for one namespace, restrictions, and pods that
// opt in.

import { type AgentPod, agentPod } from './agent-pod.ts';
import type { Cluster } from './cluster.ts';
import { type KubeObject, objectPath, type Pod } from './kube-object.ts';
import { TRUST_DOMAIN } from './signet.ts';

export const INJECT = { 'signet.dev/inject': 'true' } as const;
export const OPTED_OUT = { 'signet.dev/inject': 'false' } as const;

/** What `appIdentity` gives a pod with this label `app`. */
export function appId(namespace: string, app: string): string {
  return `spiffe://${TRUST_DOMAIN}/ns/${namespace}/app/${app}`;
}

/** A policy of the namespace's name, for every pod in it: named by its label `app`. */
export function appIdentity(namespace: string, spec: object = {}): KubeObject {
  return policy(namespace, {
    spiffeIDTemplate:
      'spiffe://{{ .TrustDomain }}/ns/{{ .PodMeta.Namespace }}/app/{{ index .PodMeta.Labels "app" }}',
    namespaceSelector: inNamespace(namespace),
    ...spec,
  });
}

export function policy(name: string, spec: object): KubeObject {
  return {
    apiVersion: 'spire.spiffe.io/v1alpha1',
    kind: 'ClusterSPIFFEID',
    metadata: { name },
    spec,
  };
}

export function restriction(name: string, spec: object): KubeObject {
  return {
    apiVersion: 'signet.dev/v1alpha1',
    kind: 'IdentityRestriction',
    metadata: { name },
    spec,
  };
}

export function inNamespace(namespace: string): object {
  return { matchLabels: { 'kubernetes.io/metadata.name': namespace } };
}

/** An agent pod that the webhook has to serve; its name is its label `app`, unless that is given. */
export function optedIn(pod: AgentPod): Pod {
  return agentPod({ ...pod, labels: { app: pod.name, ...INJECT, ...pod.labels } });
}

export async function remove(cluster: Cluster, object: KubeObject): Promise<void> {
  await cluster.api.delete(objectPath(object));
  await cluster.api.waitGone(objectPath(object));
}
