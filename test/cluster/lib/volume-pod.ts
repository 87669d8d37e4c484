// Pods whose manifest brings the volume itself, as manifests do that know SPIRE's driver.

import { type AgentPod, agentPod } from './agent-pod.ts';
import { OPTED_OUT } from './identities.ts';
import type { Pod } from './kube-object.ts';

export const DRIVER = 'csi.spiffe.io';
const VOLUME = 'spiffe-workload-api';
const MOUNT_PATH = '/spiffe-workload-api';

export type VolumeShape = {
  readonly mountPath?: string;
  /** Name in the directory. */
  readonly socket?: string;
  readonly volumeAttributes?: Readonly<Record<string, string>>;
  /** More of the mount. */
  readonly mount?: object;
};

export function withVolume(pod: AgentPod, shape: VolumeShape = {}): Pod {
  const { mountPath = MOUNT_PATH, socket = 'spire-agent.sock' } = shape;
  return agentPod({
    ...pod,
    labels: { ...OPTED_OUT, ...pod.labels },
    spec: { volumes: [volume(shape.volumeAttributes)], ...pod.spec },
    container: {
      volumeMounts: [{ ...mountAt(mountPath), ...shape.mount }],
      env: [{ name: 'SPIFFE_ENDPOINT_SOCKET', value: `unix://${mountPath}/${socket}` }],
      ...pod.container,
    },
  });
}

export function volume(volumeAttributes?: Readonly<Record<string, string>>): object {
  const attributes = volumeAttributes === undefined ? {} : { volumeAttributes };
  return { name: VOLUME, csi: { driver: DRIVER, readOnly: true, ...attributes } };
}

export function mountAt(mountPath: string): object {
  return { name: VOLUME, mountPath, readOnly: true };
}
