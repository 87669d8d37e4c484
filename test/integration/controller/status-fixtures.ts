// Objects of a cluster, and what the controller has written into their status.

import { afterEach, beforeEach } from 'node:test';
import { COLLECTIONS } from '../../../src/cluster-view/cluster-view.ts';
import type { ApiObject } from '../../fakes/fake-api-server.ts';
import { ControllerHarness } from './controller-harness.ts';

export const STATIC_ENTRIES = '/apis/spire.spiffe.io/v1alpha1/clusterstaticentries';

export let cluster: ControllerHarness;

/** For each test a cluster with a controller. */
export function useCluster(): void {
  beforeEach(async () => {
    cluster = await ControllerHarness.start();
  });
  afterEach(async () => await cluster.stop());
}

type Status = {
  rendered?: boolean;
  set?: boolean;
  stats?: Record<string, number>;
  conditions?: { type: string; status: string; reason: string; message: string }[];
};

export function statusOf(collection: string, name: string): Status | undefined {
  return cluster.api.get(collection, name)?.['status'] as Status | undefined;
}

export function addPod(name: string, spec: Record<string, unknown> = {}): void {
  cluster.api.set(COLLECTIONS.Pod, {
    metadata: { name, namespace: 'shop', uid: `uid-${name}` },
    spec: { nodeName: 'node-1', serviceAccountName: name, ...spec },
    status: { phase: 'Running' },
  });
}

export function addPolicy(name: string, spec: Record<string, unknown> = {}): ApiObject {
  const path = '{{ .PodMeta.Namespace }}/{{ .PodSpec.ServiceAccountName }}';
  return cluster.api.set(COLLECTIONS.ClusterSPIFFEID, {
    metadata: { name, generation: 2, creationTimestamp: '2026-01-01T00:00:00Z' },
    spec: { spiffeIDTemplate: `spiffe://{{ .TrustDomain }}/${path}`, ...spec },
  });
}
