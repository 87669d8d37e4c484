// What of a pod the kubelet's part of a dev run has to do with.

import type { PodObject } from '../identity/objects.ts';
import { volumesOf } from '../issuer/identity-pod-source.ts';
import type { RunnablePod } from './pod-runner.ts';

/** Undefined for a pod without a volume of the driver's. */
export function runnablePod(pod: PodObject, driverName: string): RunnablePod | undefined {
  const { uid, namespace, name, serviceAccount } = pod;
  const [volume] = volumesOf(pod, driverName);
  if (volume === undefined) return undefined;
  return {
    uid,
    namespace,
    name,
    serviceAccount,
    volumeName: volume.name,
    attributes: volume.attributes,
  };
}
