// A target path is the only thing the kubelet says that a pod author cannot influence: it names the
// pod's UID and the volume, and the volume id is their hash. Both are checked before any file is
// touched.

import { createHash } from 'node:crypto';
import { invalid } from '../../base/errors.ts';

/** What a target path `<kubelet>/pods/<uid>/volumes/kubernetes.io~csi/<volume>/mount` says. */
export type TargetPath = {
  readonly path: string;
  readonly podUid: string;
  readonly volumeName: string;
};

// UIDs are opaque: those of static pods are hashes, not UUIDs.
const POD_UID = /^[A-Za-z0-9-]{1,128}$/;
const VOLUME_NAME = /^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/;
export const CSI_PLUGIN_DIRECTORY = 'kubernetes.io~csi';

/** Reads a target path; throws `invalid-argument` naming what is wrong. */
export function parseTargetPath(path: string, kubeletRoot: string): TargetPath {
  const prefix = `${kubeletRoot}/pods/`;
  if (!path.startsWith(prefix)) {
    throw invalid(`target_path: must lie under ${prefix}`);
  }
  const segments = path.slice(prefix.length).split('/');
  const [podUid = '', volumes, plugin, volumeName = '', mount] = segments;
  const shaped =
    segments.length === 5 &&
    volumes === 'volumes' &&
    plugin === CSI_PLUGIN_DIRECTORY &&
    mount === 'mount';
  if (!shaped) {
    throw invalid(
      `target_path: must be ${prefix}<pod uid>/volumes/${CSI_PLUGIN_DIRECTORY}/<volume>/mount`,
    );
  }
  if (!POD_UID.test(podUid)) throw invalid('target_path: the pod uid segment is not a uid');
  if (!VOLUME_NAME.test(volumeName)) {
    throw invalid('target_path: the volume segment is not a volume name');
  }
  return { path, podUid, volumeName };
}

/** The id that the kubelet gives an ephemeral inline volume: `csi-` and 64 hex digits. */
export function ephemeralVolumeId(podUid: string, volumeName: string): string {
  return `csi-${createHash('sha256').update(podUid).update(volumeName).digest('hex')}`;
}

const VOLUME_ID = /^csi-[0-9a-f]{64}$/;

/** Whether a volume id may be used in a file name at all (KU-04). */
export function isEphemeralVolumeId(volumeId: string): boolean {
  return VOLUME_ID.test(volumeId);
}

/** The path of a target below the kubelet's pods directory, component by component. */
export function targetSegments(target: TargetPath): readonly string[] {
  return [target.podUid, 'volumes', CSI_PLUGIN_DIRECTORY, target.volumeName, 'mount'];
}
