// A valid pod and a valid request for it; each test changes one thing.

import type { JsonObject, JsonValue } from '../../../src/template/json-value.ts';
import type { AdmissionPodRequest } from '../../../src/webhook/admission-pod.ts';
import type { WebhookSettings } from '../../../src/webhook/webhook-settings.ts';

export const settings: WebhookSettings = {
  driverName: 'csi.spiffe.io',
  ownNamespace: 'signet-system',
};

export const driverVolume = {
  name: 'spiffe-workload-api',
  csi: { driver: 'csi.spiffe.io', readOnly: true },
};
export const mount = {
  name: 'spiffe-workload-api',
  mountPath: '/spiffe-workload-api',
  readOnly: true,
};
export const env = {
  name: 'SPIFFE_ENDPOINT_SOCKET',
  value: 'unix:///spiffe-workload-api/spire-agent.sock',
};

export type PodParts = {
  readonly labels?: JsonObject;
  readonly annotations?: JsonObject;
  readonly spec?: JsonObject;
};

/** A pod with one container that asks for injection by its own label. */
export function makePod({ labels, annotations, spec }: PodParts = {}): JsonObject {
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      generateName: 'agent-',
      labels: labels ?? { 'signet.dev/inject': 'true' },
      ...(annotations && { annotations }),
    },
    spec: { containers: [{ name: 'main', image: 'main' }], ...spec },
  };
}

export function makeRequest(
  pod: JsonValue,
  changes: Partial<AdmissionPodRequest> = {},
): AdmissionPodRequest {
  return {
    operation: 'CREATE',
    subresource: '',
    namespace: { name: 'agents', labels: {} },
    pod,
    oldPod: null,
    ...changes,
  };
}
