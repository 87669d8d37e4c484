// A cluster of one node in this process: the issuer, its channel, the node plugin and what the kubelet does,
// over real sockets; objects come from the benchmark.

import { existsSync, mkdirSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { FileAuditLog } from '../../src/audit/file-audit-log.ts';
import { systemClock } from '../../src/base/clock.ts';
import { silentLogger } from '../../src/base/log.ts';
import { DEV_NODE } from '../../src/dev/cluster-objects.ts';
import { issuerChannel, listenForNodes } from '../../src/dev/issuer-channel.ts';
import { PodRunner, type RunnablePod } from '../../src/dev/pod-runner.ts';
import { IdentityView } from '../../src/identity/identity-view.ts';
import { DEFAULT_IDENTITY_SETTINGS } from '../../src/identity/settings.ts';
import { FileAuthorityStore } from '../../src/issuer/authority/file-authority-store.ts';
import { IdentityPodSource } from '../../src/issuer/identity-pod-source.ts';
import { createIssuer } from '../../src/issuer/issuer.ts';
import { ProcessTokenAuthenticator } from '../../src/issuer/process-token-authenticator.ts';
import { runNodePlugin } from '../../src/node/main.ts';
import { parseTrustDomain } from '../../src/spiffe/spiffe-id.ts';
import type { JsonObject } from '../../src/template/json-value.ts';

const DRIVER = 'csi.spiffe.io';
export const TRUST_DOMAIN = parseTrustDomain('bench.example');
export const NAMESPACE = 'bench';
/** The issuer limits what one pod may ask for, so that warming up waits for nobody. */
const WARM_UP_MS = 20;

export const POLICY = {
  apiVersion: 'spire.spiffe.io/v1alpha1',
  kind: 'ClusterSPIFFEID',
  metadata: { name: 'all', uid: 'policy' },
  spec: {
    spiffeIDTemplate:
      'spiffe://{{ .TrustDomain }}/ns/{{ .PodMeta.Namespace }}/sa/{{ .PodSpec.ServiceAccountName }}',
  },
};

type Kind = 'ClusterSPIFFEID' | 'IdentityRestriction';

export type SmallCluster = {
  readonly root: string;
  readonly runner: PodRunner;
  /** Pods that the plugin has SVIDs for before the kubelet asks. */
  readonly warmPods: (count: number) => Promise<readonly RunnablePod[]>;
  /** Takes a cluster-scoped object, or its absence, as a watch would bring it. */
  readonly apply: (kind: Kind, name: string, object?: object) => void;
  /** Where a pod's Workload API is. */
  readonly addressOf: (pod: RunnablePod) => string;
  readonly stop: () => Promise<void>;
};

export async function startSmallCluster(): Promise<SmallCluster> {
  const root = mkdtempSync(join(tmpdir(), 'signet-bench-'));
  const kubelet = join(root, 'k');
  for (const name of ['pods', 'plugins_registry'])
    mkdirSync(join(kubelet, name), { recursive: true });
  const stop = new AbortController();
  const view = new IdentityView({ ...DEFAULT_IDENTITY_SETTINGS, trustDomain: TRUST_DOMAIN });
  const source = new IdentityPodSource({
    view,
    driverName: DRIVER,
    clock: systemClock,
    onBadObject: (_, errors) => {
      throw new Error(errors.join());
    },
  });
  let version = 1n;
  const take: typeof source.apply = (changes) => source.apply(changes, (version += 1n));
  const cluster = (
    kind: 'Namespace' | 'Node' | 'ClusterSPIFFEID',
    object: { metadata: { name: string } },
  ) => ({ kind, namespace: '', name: object.metadata.name, object }) as const;
  take(
    [
      cluster('Namespace', { metadata: { name: NAMESPACE } }),
      cluster('Node', { metadata: { name: DEV_NODE } }),
      cluster('ClusterSPIFFEID', POLICY),
    ],
    version,
  );
  const authenticator = new ProcessTokenAuthenticator(DEV_NODE, systemClock);
  const issuer = createIssuer({
    trustDomain: TRUST_DOMAIN,
    store: new FileAuthorityStore(join(root, 'authorities')),
    pods: source,
    authenticator,
    audit: new FileAuditLog(join(root, 'audit'), systemClock),
    clock: systemClock,
    log: silentLogger,
    settings: { jwtKeyType: 'ec-p256' },
  });
  const running: Promise<unknown>[] = [issuer.run(stop.signal)];
  await issuer.authorities.first(() => true, stop.signal);
  const socket = join(root, 'issuer.sock');
  running.push(
    (await listenForNodes(issuer, socket, { log: silentLogger, signal: stop.signal })).ended,
  );
  await new Promise<void>((resolve) => {
    const options = {
      nodeName: DEV_NODE,
      driverName: DRIVER,
      kubeletRoot: kubelet,
      trustDomain: TRUST_DOMAIN,
      issuer: {
        channel: issuerChannel(issuer, socket, TRUST_DOMAIN),
        token: async () => authenticator.token,
      },
      clock: systemClock,
      log: silentLogger,
      version: 'bench',
      onReady: resolve,
    };
    running.push(runNodePlugin(options, stop.signal));
  });
  const runner = new PodRunner({ kubeletRoot: kubelet, driverName: DRIVER });
  await runner.register();
  let made = 0;
  const links = join(root, 'l');
  mkdirSync(links);
  return {
    root,
    runner,
    warmPods: async (count) => {
      const pods = Array.from({ length: count }, () => toPod((made += 1)));
      take(pods.map(podChange), version);
      // The kubelet's part, and a path short enough for a client.
      for (const pod of pods) symlinkSync(runner.prepare(pod), join(links, pod.uid));
      await waitUntil(() =>
        pods.every(({ uid }) => issuer.heldBy((held) => held.podUid === uid).length > 0),
      );
      await systemClock.sleep(WARM_UP_MS, stop.signal);
      return pods;
    },
    apply: (kind, name, object) => {
      take([{ kind, namespace: '', name, object: object as JsonObject | undefined }], version);
    },
    addressOf: ({ uid }) => `unix://${links}/${uid}/spire-agent.sock`,
    stop: async () => {
      runner.close();
      stop.abort();
      await Promise.allSettled(running);
      if (existsSync(root)) rmSync(root, { recursive: true });
    },
  };
}

function toPod(index: number): RunnablePod {
  const uid = `00000000-0000-4000-8000-${String(index).padStart(12, '0')}`;
  const name = `pod-${index}`;
  return {
    uid,
    namespace: NAMESPACE,
    name,
    serviceAccount: 'agent',
    volumeName: 'spiffe',
    attributes: {},
  };
}

function podChange({ uid, namespace, name, serviceAccount, volumeName }: RunnablePod) {
  const csi = { driver: DRIVER, readOnly: true };
  const object = {
    metadata: { name, namespace, uid, labels: {} },
    spec: {
      nodeName: DEV_NODE,
      serviceAccountName: serviceAccount,
      volumes: [{ name: volumeName, csi }],
    },
    status: { phase: 'Running' },
  };
  return { kind: 'Pod', namespace, name, object } as const;
}

export async function waitUntil(holds: () => boolean): Promise<void> {
  const { signal } = new AbortController();
  while (!holds()) await systemClock.sleep(1, signal);
}
