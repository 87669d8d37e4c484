// The CSI Node service: parses what the kubelet asks and hands it to the volumes. Details of a
// status stay empty (CSI, error scheme); the message names the field.

import { invalid } from '../../base/errors.ts';
import { Node } from '../../transport/gen/csi/csi_pb.ts';
import { bindService, type ServiceBinding } from '../../transport/rpc.ts';
import type { Volumes } from '../volume/volumes.ts';
import { parsePublishRequest } from './publish-request.ts';

export type CsiNodeOptions = {
  readonly nodeName: string;
  readonly kubeletRoot: string;
  readonly volumes: Volumes;
};

export function csiNode(options: CsiNodeOptions): ServiceBinding {
  const { nodeName, kubeletRoot, volumes } = options;
  return bindService(Node, {
    nodePublishVolume: async (request, call) => {
      await volumes.publish(parsePublishRequest(request, kubeletRoot), call.signal);
      return {};
    },
    nodeUnpublishVolume: async (request) => {
      if (request.volumeId === '') throw invalid('volume_id: missing');
      if (request.targetPath === '') throw invalid('target_path: missing');
      await volumes.unpublish(request.volumeId, request.targetPath);
      return {};
    },
    nodeGetCapabilities: async () => ({ capabilities: [] }),
    nodeGetInfo: async () => ({ nodeId: nodeName }),
  });
}
