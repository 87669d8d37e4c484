// Pods that are never injected, even when asked: those that Signet may need in order to start, and
// those that could not use the socket. A cluster must be able to boot with Signet down.

import { isJsonObject, type JsonValue, ownValue } from '../template/json-value.ts';
import type { AdmissionPod } from './admission-pod.ts';
import type { WebhookSettings } from './webhook-settings.ts';

export type ExclusionReason =
  | 'NamespaceExcluded'
  | 'MirrorPod'
  | 'WindowsPod'
  | 'HostNetworkPod'
  | 'CriticalPod';

export type Exclusion = { readonly reason: ExclusionReason; readonly message: string };

export const MIRROR_ANNOTATION = 'kubernetes.io/config.mirror';
export const CRITICAL_CLASSES = ['system-node-critical', 'system-cluster-critical'];
export const KUBE_SYSTEM = 'kube-system';

const EXCLUDED_PODS: readonly (Exclusion & { readonly applies: (pod: AdmissionPod) => boolean })[] =
  [
    {
      reason: 'MirrorPod',
      message: 'a static pod cannot have volumes of a CSI driver',
      applies: (pod) => Object.hasOwn(pod.annotations ?? {}, MIRROR_ANNOTATION),
    },
    {
      reason: 'WindowsPod',
      message: 'a Windows pod cannot use the socket',
      applies: ({ spec }) =>
        memberOf(ownValue(spec, 'os'), 'name') === 'windows' ||
        memberOf(ownValue(spec, 'nodeSelector'), 'kubernetes.io/os') === 'windows',
    },
    {
      reason: 'HostNetworkPod',
      message: 'a pod with hostNetwork may have to start first; declare the volume in the pod',
      applies: ({ spec }) => ownValue(spec, 'hostNetwork') === true,
    },
    {
      reason: 'CriticalPod',
      message: 'a system-critical pod may have to start first; declare the volume in the pod',
      applies: ({ spec }) =>
        CRITICAL_CLASSES.some((name) => name === ownValue(spec, 'priorityClassName')),
    },
  ];

/** Why no pod of this namespace is injected; undefined when nothing speaks against it. */
export function findNamespaceExclusion(
  namespace: string,
  settings: WebhookSettings,
): Exclusion | undefined {
  return namespace === KUBE_SYSTEM || namespace === settings.ownNamespace
    ? { reason: 'NamespaceExcluded', message: `pods in ${namespace} are left alone` }
    : undefined;
}

/** Why this pod is not injected, whatever it asks for. */
export function findPodExclusion(pod: AdmissionPod): Exclusion | undefined {
  return EXCLUDED_PODS.find(({ applies }) => applies(pod));
}

function memberOf(value: JsonValue | undefined, key: string): JsonValue | undefined {
  return isJsonObject(value) ? ownValue(value, key) : undefined;
}
