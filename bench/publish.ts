// From NodePublishVolume to the first SVID on the new socket, for pods whose entries are warm: the
// whole path of kubelet, plugin and workload over real sockets, the issuer included. The limit is the
// same files made bare, and the same fetch over a new connection to a socket that was there before.

import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { WorkloadApiClient } from '../client/src/index.ts';
import { FileAuditLog } from '../src/audit/file-audit-log.ts';
import { systemClock } from '../src/base/clock.ts';
import { silentLogger } from '../src/base/log.ts';
import { DEV_NODE } from '../src/dev/cluster-objects.ts';
import { issuerChannel, listenForNodes } from '../src/dev/issuer-channel.ts';
import { PodRunner, type RunnablePod } from '../src/dev/pod-runner.ts';
import { IdentityView } from '../src/identity/identity-view.ts';
import { DEFAULT_IDENTITY_SETTINGS } from '../src/identity/settings.ts';
import { FileAuthorityStore } from '../src/issuer/authority/file-authority-store.ts';
import { IdentityPodSource } from '../src/issuer/identity-pod-source.ts';
import { createIssuer } from '../src/issuer/issuer.ts';
import { ProcessTokenAuthenticator } from '../src/issuer/process-token-authenticator.ts';
import { runNodePlugin } from '../src/node/main.ts';
import { parseTrustDomain } from '../src/spiffe/spiffe-id.ts';
import { type BenchResult, benchResult, percentile } from './bench-result.ts';

const DRIVER = 'csi.spiffe.io';
const TRUST_DOMAIN = parseTrustDomain('bench.example');
const SINGLES = 300;
/** Not counted: a node plugin runs for weeks. */
const WARM_UP = 100;
const BURST = 110;
const BURSTS = 5;
/** The issuer limits what one pod may ask for, so that warming up waits for nobody. */
const WARM_UP_MS = 20;

const POLICY = {
  apiVersion: 'spire.spiffe.io/v1alpha1',
  kind: 'ClusterSPIFFEID',
  metadata: { name: 'all', uid: 'policy' },
  spec: {
    spiffeIDTemplate:
      'spiffe://{{ .TrustDomain }}/ns/{{ .PodMeta.Namespace }}/sa/{{ .PodSpec.ServiceAccountName }}',
  },
};

export async function run(): Promise<readonly BenchResult[]> {
  const bench = await start();
  const first: number[] = [];
  const again: number[] = [];
  const burst: number[] = [];
  const burstAgain: number[] = [];
  for (let count = -WARM_UP; count < SINGLES; count += 1) {
    const [pod] = await bench.warmPods(1);
    if (pod === undefined) continue;
    const published = await timeMs(async () => await bench.publishAndFetch(pod));
    const files = await timeMs(async () => await bench.sameFiles(pod));
    const fetched = await timeMs(async () => await bench.fetch(pod));
    if (count < 0) continue;
    first.push(published);
    again.push(files + fetched);
  }
  for (let count = 0; count < BURSTS; count += 1) {
    const pods = await bench.warmPods(BURST);
    burst.push(await timeMs(async () => await all(pods, bench.publishAndFetch)));
    burstAgain.push(
      await timeMs(async () => {
        await all(pods, bench.sameFiles);
        await all(pods, bench.fetch);
      }),
    );
  }
  await bench.stop();
  const ms = (name: string, value: number, limit: number) =>
    benchResult({ name, value, unit: 'ms', limit });
  return [
    ms('publish to first SVID, p50', percentile(first, 0.5), percentile(again, 0.5)),
    ms('publish to first SVID, p99', percentile(first, 0.99), percentile(again, 0.99)),
    ms(
      `publish to first SVID, ${BURST} pods at once`,
      percentile(burst, 0.5),
      percentile(burstAgain, 0.5),
    ),
  ];
}

async function start() {
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
  const apply: typeof source.apply = (changes) => source.apply(changes, (version += 1n));
  const cluster = (
    kind: 'Namespace' | 'Node' | 'ClusterSPIFFEID',
    object: { metadata: { name: string } },
  ) => ({ kind, namespace: '', name: object.metadata.name, object }) as const;
  apply(
    [
      cluster('Namespace', { metadata: { name: 'bench' } }),
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
  const bare = join(root, 'b');
  mkdirSync(bare);

  /** Pods that the plugin has SVIDs for before the kubelet asks. */
  const warmPods = async (count: number): Promise<readonly RunnablePod[]> => {
    const pods = Array.from({ length: count }, () => toPod((made += 1)));
    apply(pods.map(podChange), version);
    // The kubelet's part, and a path short enough for a client.
    for (const pod of pods) symlinkSync(runner.prepare(pod), join(links, pod.uid));
    await waitUntil(() =>
      pods.every(({ uid }) => issuer.heldBy((held) => held.podUid === uid).length > 0),
    );
    await systemClock.sleep(WARM_UP_MS, stop.signal);
    return pods;
  };
  const fetch = async ({ uid }: RunnablePod): Promise<void> => {
    const client = new WorkloadApiClient({ address: `unix://${links}/${uid}/spire-agent.sock` });
    const { svids } = await client.fetchX509Context();
    if (svids.length !== 1) throw new Error('no SVID');
    client.close();
  };
  /** What no driver can do without, done bare: a durable record, a directory, a socket and its names. */
  const sameFiles = async ({ uid }: RunnablePod): Promise<void> => {
    const directory = join(bare, uid);
    const record = await open(`${directory}.json`, 'w');
    await record.writeFile(JSON.stringify(POLICY));
    await record.sync();
    await record.close();
    mkdirSync(directory);
    const server = createServer().listen(join(directory, 's'));
    await once(server, 'listening');
    for (const alias of ['agent.sock', 'api.sock', 'socket'])
      symlinkSync('s', join(directory, alias));
    server.close();
  };
  const publishAndFetch = async (pod: RunnablePod): Promise<void> => {
    await runner.publish(pod);
    await fetch(pod);
  };
  const end = async (): Promise<void> => {
    runner.close();
    stop.abort();
    await Promise.allSettled(running);
    if (existsSync(root)) rmSync(root, { recursive: true });
  };
  return { warmPods, fetch, sameFiles, publishAndFetch, stop: end };
}

function toPod(index: number): RunnablePod {
  const uid = `00000000-0000-4000-8000-${String(index).padStart(12, '0')}`;
  const name = `pod-${index}`;
  return {
    uid,
    namespace: 'bench',
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

async function waitUntil(holds: () => boolean): Promise<void> {
  const { signal } = new AbortController();
  while (!holds()) await systemClock.sleep(1, signal);
}

async function all<T>(items: readonly T[], act: (item: T) => Promise<void>): Promise<void> {
  await Promise.all(items.map(act));
}

async function timeMs(work: () => Promise<void>): Promise<number> {
  const start = performance.now();
  await work();
  return performance.now() - start;
}

if (import.meta.main) for (const result of await run()) console.log(JSON.stringify(result));
