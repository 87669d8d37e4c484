// NodePublishVolume as it comes off the wire: what is taken is about a pod and a path that agree.

import assert from 'node:assert/strict';
import { fromBinary } from '@bufbuild/protobuf';
import { parsePublishRequest } from '../../../src/node/csi/publish-request.ts';
import {
  ephemeralVolumeId,
  isEphemeralVolumeId,
  parseTargetPath,
} from '../../../src/node/volume/target-path.ts';
import {
  type NodePublishVolumeRequest,
  NodePublishVolumeRequestSchema,
} from '../../../src/transport/gen/csi/csi_pb.ts';
import { accepted, type FuzzTarget } from '../fuzz-target.ts';

const ROOT = '/var/lib/kubelet';

export const PUBLISH_REQUEST: FuzzTarget = {
  name: 'publish-request',
  dictionary: [
    '/var/lib/kubelet/pods/',
    '/volumes/kubernetes.io~csi/',
    '/mount',
    '..',
    'csi.storage.k8s.io/pod.name',
    'csi.storage.k8s.io/pod.uid',
    'csi.storage.k8s.io/ephemeral',
    'signet.dev/require-identity',
    'true',
    '__proto__',
    '\x0a\x00',
    '\x22',
    '\x2a\x04\x12\x00\x1a\x00',
    '\x30\x01',
    '\x42',
    '\xff\xff\xff\xff\x0f',
  ],
  maxBytes: 8192,
  run: (input) => {
    const request = decoded(input);
    if (request === undefined) return;
    check(request);
    // The volume id is a hash: made to fit, so that what comes after it is reached.
    const target = accepted(() => parseTargetPath(request.targetPath, ROOT));
    if (target === undefined) return;
    const { podUid, volumeName } = target;
    check({
      ...request,
      volumeId: ephemeralVolumeId(podUid, volumeName),
      volumeContext: { ...request.volumeContext, 'csi.storage.k8s.io/pod.uid': podUid },
    });
  },
};

function check(request: NodePublishVolumeRequest): void {
  const record = accepted(() => parsePublishRequest(request, ROOT));
  if (record === undefined) return;
  assert.ok(isEphemeralVolumeId(record.volumeId));
  assert.equal(record.volumeId, ephemeralVolumeId(record.podUid, record.volumeName));
  assert.ok(record.targetPath.startsWith(`${ROOT}/pods/${record.podUid}/volumes/`));
  assert.doesNotMatch(record.targetPath, /\/\.{0,2}\//);
  for (const name of [record.namespace, record.podName, record.serviceAccount]) {
    assert.match(name, /^[a-z0-9.-]{1,253}$/);
  }
}

/** What is no protobuf never reaches a handler. */
function decoded(input: Uint8Array): NodePublishVolumeRequest | undefined {
  try {
    return fromBinary(NodePublishVolumeRequestSchema, input);
  } catch {
    return undefined;
  }
}
