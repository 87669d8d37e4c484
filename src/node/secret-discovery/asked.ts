// Where secret discovery is served. It needs no security header, so whatever in a pod can be talked
// into a request reads the pod's key through it: never without being asked for.

import { SECRET_DISCOVERY } from '../csi/publish-request.ts';
import type { VolumeRecord } from '../volume/volume-records.ts';

/**
 * The volume that Istio's injector gives to its proxy, and mounts nowhere else. Whoever templates it
 * on this driver means secret discovery.
 */
const ISTIO_VOLUME = 'workload-socket';

/** Whether the volume's author asked for it: by attribute, or by being Istio's. */
export function isSecretDiscoveryAsked({ attributes, volumeName }: VolumeRecord): boolean {
  const asked = attributes[SECRET_DISCOVERY];
  return asked === undefined ? volumeName === ISTIO_VOLUME : asked === 'true';
}
