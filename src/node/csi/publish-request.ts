// What a NodePublishVolume asks, checked as one flat list: every precondition is one line, one
// code and one message that names the field to change. Nothing below this file looks at the raw
// request again.

import { CodedError, invalid } from '../../base/errors.ts';
import { fileAttributeError, readFileRequest } from '../../base/file-attributes.ts';
import type { NodePublishVolumeRequest } from '../../transport/gen/csi/csi_pb.ts';
import { ephemeralVolumeId, parseTargetPath } from '../volume/target-path.ts';
import type { VolumeRecord } from '../volume/volume-records.ts';

const POD_INFO = {
  name: 'csi.storage.k8s.io/pod.name',
  namespace: 'csi.storage.k8s.io/pod.namespace',
  uid: 'csi.storage.k8s.io/pod.uid',
  serviceAccount: 'csi.storage.k8s.io/serviceAccount.name',
  ephemeral: 'csi.storage.k8s.io/ephemeral',
} as const;
const TOKENS = 'csi.storage.k8s.io/serviceAccount.tokens';

/** The volume attributes a pod author may set, beside those for files; any other is refused by name. */
export const REQUIRE_IDENTITY = 'signet.dev/require-identity';
/** Envoy's secret discovery on the volume's socket. */
export const SECRET_DISCOVERY = 'signet.dev/sds';
export const ATTRIBUTES: ReadonlyMap<string, readonly string[]> = new Map([
  [REQUIRE_IDENTITY, ['true', 'false']],
  [SECRET_DISCOVERY, ['true', 'false']],
]);

/** Of a pod's declared attributes, those that mean something to this version. */
export function knownAttributes(
  declared: Readonly<Record<string, string>>,
): Readonly<Record<string, string>> {
  return Object.fromEntries(
    Object.entries(declared).filter(
      ([key, value]) =>
        ATTRIBUTES.get(key)?.includes(value) || fileAttributeError(key, value) === null,
    ),
  );
}

const SINGLE_NODE_READER_ONLY = 2;
const MAX_FIELD_BYTES = 128;
const MAX_CONTEXT_BYTES = 4096;
const DNS_NAME = /^[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?$/;

/** Reads a publish request; throws `invalid-argument` naming the field and the rule. */
export function parsePublishRequest(
  request: NodePublishVolumeRequest,
  kubeletRoot: string,
): VolumeRecord {
  if (request.volumeId === '') throw invalid('volume_id: missing');
  if (Buffer.byteLength(request.volumeId) > MAX_FIELD_BYTES) {
    throw invalid(`volume_id: over ${MAX_FIELD_BYTES} bytes`);
  }
  if (request.targetPath === '') throw invalid('target_path: missing');
  requireCapability(request);
  if (!request.readonly) {
    throw invalid('readonly: pod.spec.volumes[].csi.readOnly must be true');
  }
  if (Object.keys(request.secrets).some((key) => key !== TOKENS)) {
    throw invalid('secrets: pod.spec.volumes[].csi.nodePublishSecretRef must not be set');
  }
  const context = readContext(request);
  const target = parseTargetPath(request.targetPath, kubeletRoot);
  const info = readPodInfo(context);
  if (info.podUid !== target.podUid) {
    throw invalid(`volume_context: ${POD_INFO.uid} is not the pod uid of target_path`);
  }
  if (request.volumeId !== ephemeralVolumeId(target.podUid, target.volumeName)) {
    throw invalid('volume_id: is not the id of this pod and volume');
  }
  return {
    volumeId: request.volumeId,
    targetPath: target.path,
    ...info,
    volumeName: target.volumeName,
    attributes: readAttributes(context),
  };
}

function requireCapability(request: NodePublishVolumeRequest): void {
  const capability = request.volumeCapability;
  if (capability === undefined) throw invalid('volume_capability: missing');
  if (capability.accessType.case === undefined) {
    throw invalid('volume_capability.access_type: missing');
  }
  if (capability.accessType.case === 'block') {
    throw invalid('volume_capability.access_type: must be a plain mount, not a block volume');
  }
  const { fsType, mountFlags } = capability.accessType.value;
  if (fsType !== '') throw invalid('volume_capability.mount.fs_type: must be empty');
  if (mountFlags.length > 0) throw invalid('volume_capability.mount.mount_flags: must be empty');
  const mode = capability.accessMode?.mode ?? 0;
  if (mode === 0) throw invalid('volume_capability.access_mode: missing');
  if (mode === SINGLE_NODE_READER_ONLY) {
    throw invalid('volume_capability.access_mode: SINGLE_NODE_READER_ONLY is not supported');
  }
}

function readContext(request: NodePublishVolumeRequest): ReadonlyMap<string, string> {
  let bytes = 0;
  const context = new Map<string, string>();
  for (const [key, value] of Object.entries(request.volumeContext)) {
    // Tokens are not asked for; if they come all the same they are neither kept nor compared.
    if (key === TOKENS) continue;
    bytes += Buffer.byteLength(key) + Buffer.byteLength(value);
    context.set(key, value);
  }
  if (bytes > MAX_CONTEXT_BYTES) throw invalid(`volume_context: over ${MAX_CONTEXT_BYTES} bytes`);
  return context;
}

function readPodInfo(context: ReadonlyMap<string, string>) {
  if (!Object.values(POD_INFO).some((key) => context.has(key))) {
    throw invalid('volume_context: no pod info; the CSIDriver must have podInfoOnMount: true');
  }
  if (context.get(POD_INFO.ephemeral) !== 'true') {
    throw invalid(`volume_context: ${POD_INFO.ephemeral} must be "true"`);
  }
  const value = (key: string): string => {
    const found = context.get(key);
    if (found === undefined || found === '') {
      throw invalid(`volume_context: ${key} is missing; the CSIDriver needs podInfoOnMount`);
    }
    return found;
  };
  const name = (key: string): string => {
    const found = value(key);
    if (!DNS_NAME.test(found)) throw invalid(`volume_context: ${key} is not a Kubernetes name`);
    return found;
  };
  return {
    podUid: value(POD_INFO.uid),
    namespace: name(POD_INFO.namespace),
    podName: name(POD_INFO.name),
    serviceAccount: name(POD_INFO.serviceAccount),
  };
}

function readAttributes(context: ReadonlyMap<string, string>): Readonly<Record<string, string>> {
  const own = new Set<string>(Object.values(POD_INFO));
  const attributes: Record<string, string> = {};
  for (const [key, value] of [...context].toSorted(([a], [b]) => (a < b ? -1 : 1))) {
    if (own.has(key)) continue;
    requireValid(key, value);
    attributes[key] = value;
  }
  try {
    readFileRequest(attributes);
  } catch (thrown) {
    throw invalid(`volume_context: ${CodedError.from(thrown).message}`, thrown);
  }
  return attributes;
}

function requireValid(key: string, value: string): void {
  const fileError = fileAttributeError(key, value);
  if (fileError === null) return;
  if (fileError !== undefined) throw invalid(`volume_context: ${key}: ${fileError}`);
  const allowed = ATTRIBUTES.get(key);
  if (allowed === undefined) throw invalid(`volume_context: unknown volume attribute ${key}`);
  if (!allowed.includes(value)) {
    throw invalid(`volume_context: ${key} must be one of ${allowed.join(', ')}`);
  }
}
