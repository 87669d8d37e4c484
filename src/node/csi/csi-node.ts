// The CSI Node service: parses what the kubelet asks and hands it to the volumes. Details of a
// status stay empty (CSI, error scheme); the message names the field.

import { CodedError, invalid } from '../../base/errors.ts';
import { Node, type NodePublishVolumeRequest } from '../../transport/gen/csi/csi_pb.ts';
import { bindService, type ServiceBinding } from '../../transport/rpc.ts';
import { PodVolumes } from '../volume/pod-volumes.ts';
import type { VolumeRecord } from '../volume/volume-records.ts';
import type { Volumes } from '../volume/volumes.ts';
import { parsePublishRequest } from './publish-request.ts';

export type CsiNodeOptions = {
  readonly nodeName: string;
  readonly kubeletRoot: string;
  readonly volumes: Volumes;
  /** Throws when a newer instance has taken over: a call may have been on its way to this one. */
  readonly requireCurrent?: () => void;
};

export function csiNode(options: CsiNodeOptions): ServiceBinding {
  const { nodeName, volumes } = options;
  const pods = new PodVolumes();
  return bindService(Node, {
    nodePublishVolume: async (request, call) => {
      options.requireCurrent?.();
      const record = readRequest(request, options);
      const publish = async () => await volumes.publish(record, call.signal);
      await pods.publish(record, volumes.records, publish);
      return {};
    },
    nodeUnpublishVolume: async (request) => {
      options.requireCurrent?.();
      if (request.volumeId === '') throw invalid('volume_id: missing');
      if (request.targetPath === '') throw invalid('target_path: missing');
      await volumes.unpublish(request.volumeId, request.targetPath);
      return {};
    },
    nodeGetCapabilities: async () => ({ capabilities: [] }),
    nodeGetInfo: async () => ({ nodeId: nodeName }),
  });
}

// For some kubelets a final code on a repeated publish is a reason to remove the volume of a running
// pod (KU-09), whose request was good when it started: the CSIDriver was changed since, or we were.
function readRequest(
  request: NodePublishVolumeRequest,
  { kubeletRoot, volumes }: CsiNodeOptions,
): VolumeRecord {
  try {
    return parsePublishRequest(request, kubeletRoot);
  } catch (thrown) {
    if (!volumes.isRecorded(request.volumeId)) throw thrown;
    throw new CodedError('unavailable', CodedError.from(thrown).message, { cause: thrown });
  }
}
