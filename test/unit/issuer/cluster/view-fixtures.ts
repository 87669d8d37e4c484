// The view of a cluster over a fake API server.

import { afterEach, beforeEach } from 'node:test';
import { ClusterView, COLLECTIONS } from '../../../../src/cluster-view/cluster-view.ts';
import { IdentityView } from '../../../../src/identity/identity-view.ts';
import { DEFAULT_IDENTITY_SETTINGS } from '../../../../src/identity/settings.ts';
import { ClusterPodSource } from '../../../../src/issuer/cluster/cluster-pod-source.ts';
import { IdentityPodSource } from '../../../../src/issuer/identity-pod-source.ts';
import { KubeHarness } from '../../kube/kube-harness.ts';
import { TRUST_DOMAIN } from '../fixtures.ts';

export const settings = { ...DEFAULT_IDENTITY_SETTINGS, trustDomain: TRUST_DOMAIN };
export const MINUTE = 60_000;
export let kube: KubeHarness;
export let view: ClusterView;
export let identities: IdentityView;
export let source: IdentityPodSource;
export let pods: ClusterPodSource;
export let ids: string[];
export let stop: AbortController;
export let running: Promise<void>;

/** For each test a cluster and a view of it, which `start` lets run. */
export function useView(): void {
  beforeEach(async () => {
    kube = await KubeHarness.start();
    kube.api.set(COLLECTIONS.Namespace, { metadata: { name: 'n' } });
    identities = new IdentityView(settings);
    source = new IdentityPodSource({
      view: identities,
      driverName: 'csi.spiffe.io',
      clock: kube.clock,
      onBadObject: () => {},
    });
    view = new ClusterView({
      client: kube.client,
      settings,
      driverName: 'csi.spiffe.io',
      apply: (changes, version) =>
        source.apply(changes, version > source.version ? version : source.version),
      clock: kube.clock,
      log: kube.log,
    });
    pods = new ClusterPodSource({
      source,
      view,
      now: () => kube.clock.now(),
      answers: kube.client.answers,
      maxStalenessMs: 15 * MINUTE,
    });
    ids = [];
    source.onChange(({ podUid }) => ids.push(`${podUid} ${idOf(podUid)}`));
    stop = new AbortController();
  });
  afterEach(async () => {
    stop.abort();
    await running;
    await kube.stop();
  });
}

export function start(): void {
  running = view.run(stop.signal);
}

export function idOf(uid: string): string {
  const pod = pods.pod(uid);
  return pod?.entries.map(({ spiffeId }) => spiffeId).join(' ') ?? 'unknown';
}

export function addPod(name: string, more: { annotations?: Record<string, string> } = {}) {
  kube.api.set(COLLECTIONS.Pod, {
    metadata: { name, namespace: 'n', uid: name, ...more },
    spec: {
      nodeName: 'node-1',
      serviceAccountName: 'sa',
      volumes: [{ name: 'spiffe', csi: { driver: 'csi.spiffe.io' } }],
      containers: [{ name: 'c', image: 'img' }],
    },
    status: { phase: 'Running' },
  });
}

export function addPolicy(name: string, path: string, more: Record<string, unknown> = {}) {
  kube.api.set(COLLECTIONS.ClusterSPIFFEID, {
    metadata: { name, creationTimestamp: '2026-01-01T00:00:00Z' },
    spec: { spiffeIDTemplate: `spiffe://{{ .TrustDomain }}/${path}`, ...more },
  });
}
