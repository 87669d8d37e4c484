// The node plugin, put together. Volumes of an earlier run are served again first, then the kubelet
// is told, and only then the network is used: a node that boots must not wait for an issuer that
// waits for the node.

import { aborted } from '../base/aborted.ts';
import type { Clock } from '../base/clock.ts';
import { invalid } from '../base/errors.ts';
import { Latest } from '../base/latest.ts';
import type { Logger } from '../base/log.ts';
import type { TrustDomain } from '../spiffe/spiffe-id.ts';
import type { GrpcClientOptions } from '../transport/grpc/grpc-client.ts';
import { csiIdentity } from './csi/csi-identity.ts';
import { csiNode } from './csi/csi-node.ts';
import { PluginSocket } from './csi/plugin-socket.ts';
import { Registration } from './csi/registration.ts';
import { VolumeFiles } from './files/volume-files.ts';
import { isServed, Seniority, untilReady, untilUnserved } from './hand-over.ts';
import type { PluginState } from './health.ts';
import { IssuerClient } from './issuer-client.ts';
import { LostVolumes } from './lost-volumes.ts';
import { hello, published, type Report, unpublished } from './node-reports.ts';
import { NodeView } from './node-view.ts';
import { SigningBatch } from './svid/signing-batch.ts';
import { SvidManager } from './svid/svid-manager.ts';
import type { NodeKeyType } from './svid/workload-key.ts';
import { sweep } from './sweep.ts';
import { MAX_SOCKET_PATH_BYTES } from './volume/hidden-listener.ts';
import { podsDirectory } from './volume/serve-record.ts';
import { VolumeRecords } from './volume/volume-records.ts';
import { Volumes } from './volume/volumes.ts';
import { workloadEndpoints } from './workload/workload-endpoint.ts';

export type NodePluginOptions = {
  readonly nodeName: string;
  readonly driverName: string;
  /** The kubelet's directory, `/var/lib/kubelet` on most nodes: absolute, as the kubelet says it. */
  readonly kubeletRoot: string;
  /** Default: `<kubelet>/plugins/signet.dev/<driver>`. */
  readonly pluginDirectory?: string;
  readonly trustDomain: TrustDomain;
  readonly issuer: {
    /** Its credentials judge the issuer's certificate. */
    readonly channel: GrpcClientOptions;
    /** Read anew for every call. */
    readonly token: () => Promise<string>;
    /** Awaited before the issuer is called: what that needs may not be there at the start. */
    readonly ready?: (signal: AbortSignal) => Promise<void>;
  };
  readonly clock: Clock;
  readonly log: Logger;
  readonly version: string;
  /** Of the keys of workloads; default `ec-p256`. */
  readonly keyType?: NodeKeyType;
  readonly explainFlags?: string | undefined;
  readonly publishWaitMs?: number;
  readonly requireIdentityWaitMs?: number;
  /** Default: false. Writes files of volumes that ask for them onto the node's disk as well. */
  readonly allowKeysOnDisk?: boolean;
  /** Default: true. Otherwise somebody else tells the kubelet, such as the official sidecar. */
  readonly registers?: boolean;
  /** Called once the kubelet can find and call the plugin. */
  readonly onReady?: () => void;
  /** Told at the same time what can be asked for the plugin's health. */
  readonly health?: { takingOver(): void; started(plugin: PluginState): void };
};

const PUBLISH_WAIT_MS = 10_000;
const REQUIRE_IDENTITY_WAIT_MS = 90_000;
/** A call that an older instance took may still record a volume, and two may start at once. */
const OTHERS_MAY_ACT_MS = 120_000;

/**
 * Runs until aborted, then takes back the registration, ends calls and streams with Unavailable and
 * leaves the pods' sockets where they are. Rejects when the kubelet refuses it for too long. While an
 * older instance serves, it takes no name before it can answer as well.
 */
export async function runNodePlugin(
  options: NodePluginOptions,
  signal: AbortSignal,
): Promise<void> {
  const { clock, log, health } = options;
  const plugin = compose(options);
  const { registration, csiEndpoint, volumes } = plugin;
  const stop = new AbortController();
  const onAbort = () => stop.abort();
  signal.addEventListener('abort', onAbort, { once: true });
  if (signal.aborted) return;
  let csi: PluginSocket | undefined;
  const running: Promise<void>[] = [];
  // The first part that fails stops the others.
  const run = (part: Promise<void>) => running.push(part.finally(onAbort));
  const dial = () => {
    run(plugin.manager.run(stop.signal));
    run(plugin.issuer.run(stop.signal));
    run(plugin.files.run(stop.signal));
  };
  try {
    const isSecond = await isServed(csiEndpoint);
    if (isSecond) {
      log.info({}, 'Getting ready to take over from an older instance');
      health?.takingOver();
      volumes.expect();
      dial();
      await readyOrAlone(plugin, options, stop.signal);
      if (stop.signal.aborted) return;
    } else {
      plugin.records.removeUnfinished();
    }
    await volumes.restore();
    csi = await PluginSocket.listen({ path: csiEndpoint, services: plugin.services });
    await registration?.listen();
    const seniority = new Seniority(csi, registration, log);
    plugin.seniority.set(seniority);
    const isCurrent = () => !seniority.hasYielded();
    health?.started({ csiEndpoint, registration: () => registration?.state ?? 'off' });
    options.onReady?.();
    if (!isSecond) dial();
    if (registration !== undefined) run(registration.run(isCurrent, stop.signal));
    run(plugin.lost.run(isCurrent, stop.signal));
    const often = clock.now() + OTHERS_MAY_ACT_MS;
    run(sweep({ csi, volumes, seniority, clock, log }, often, stop.signal));
    await Promise.race([aborted(stop.signal), ...running]);
  } finally {
    stop.abort();
    signal.removeEventListener('abort', onAbort);
    await registration?.close();
    await csi?.close();
    await volumes.close();
    await Promise.allSettled(running);
  }
  await Promise.all(running);
}

/** Resolves when identities are ready, or nobody is left to wait behind. */
async function readyOrAlone(
  { view, manager, volumes, csiEndpoint }: ReturnType<typeof compose>,
  { clock }: NodePluginOptions,
  signal: AbortSignal,
): Promise<void> {
  const wait = new AbortController();
  const stop = () => wait.abort();
  signal.addEventListener('abort', stop, { once: true });
  if (signal.aborted) stop();
  const answers = () =>
    [...new Set(volumes.records.map(({ podUid }) => podUid))]
      .filter((podUid) => view.pod(podUid) !== undefined)
      .map((podUid) => manager.answerOf(podUid));
  await Promise.race([
    untilReady({ synced: view.synced, answers, clock }, wait.signal),
    untilUnserved(csiEndpoint, clock, wait.signal),
  ]);
  signal.removeEventListener('abort', stop);
  stop();
}

function compose(options: NodePluginOptions) {
  const { clock, log, kubeletRoot, driverName } = options;
  const directory = options.pluginDirectory ?? `${kubeletRoot}/plugins/signet.dev/${driverName}`;
  const csiEndpoint = `${directory}/csi.sock`;
  if (Buffer.byteLength(csiEndpoint) > MAX_SOCKET_PATH_BYTES) {
    throw invalid(`${csiEndpoint}: over ${MAX_SOCKET_PATH_BYTES} bytes, too long for a socket`);
  }
  const view = new NodeView({
    log,
    trustDomain: options.trustDomain,
    onPod: (podUid) => manager.podChanged(podUid),
    onBundles: (endsTokens) => manager.bundlesChanged(endsTokens),
    onAbsent: (podUid) => manager.podAbsent(podUid),
    onGone: (podUid) => lost.gone(podUid),
  });
  const issuer = new IssuerClient({
    ...options.issuer,
    view,
    clock,
    log,
    opening: () => opening(),
  });
  const batch = new SigningBatch(async (items) => await issuer.signX509(items));
  const manager = new SvidManager(view, {
    clock,
    log,
    ...(options.keyType === undefined ? {} : { keyType: options.keyType }),
    sign: async (item) => await batch.sign(item),
    signJwt: async (request) => await issuer.signJwt(request),
    onPublished: (podUid) => issuer.reports.add(`volume/${podUid}`, published(podUid)),
    onUnpublished: (podUid) => issuer.reports.add(`volume/${podUid}`, unpublished(podUid)),
  });
  const records = new VolumeRecords(`${directory}/volumes`);
  const publishWaitMs = options.publishWaitMs ?? PUBLISH_WAIT_MS;
  const files = new VolumeFiles({
    podsDirectory: podsDirectory(kubeletRoot),
    answers: manager,
    clock,
    log,
    waitMs: publishWaitMs,
    allowKeysOnDisk: options.allowKeysOnDisk ?? false,
  });
  const volumes = new Volumes({
    kubeletRoot,
    records,
    answers: manager,
    serve: workloadEndpoints({ answers: manager, clock, log, explainFlags: options.explainFlags }),
    files,
    clock,
    log,
    publishWaitMs,
    requireIdentityWaitMs: options.requireIdentityWaitMs ?? REQUIRE_IDENTITY_WAIT_MS,
  });
  const lost = new LostVolumes({
    kubeletRoot,
    driverName,
    view,
    volumes,
    report: (key, report) => issuer.reports.add(key, report),
    clock,
    log,
  });
  const opening = (): readonly Report[] => [
    hello(view, manager, options.version),
    ...[...new Set(volumes.records.map(({ podUid }) => podUid))].map(published),
  ];
  const registryDirectory = `${kubeletRoot}/plugins_registry`;
  const registration =
    options.registers === false
      ? undefined
      : new Registration({ driverName, csiEndpoint, registryDirectory, clock, log });
  const seniority = new Latest<Seniority>();
  const services = [
    csiIdentity({ driverName, version: options.version, ready: () => true }),
    csiNode({
      nodeName: options.nodeName,
      kubeletRoot,
      volumes,
      requireCurrent: () => seniority.value?.requireCurrent(),
    }),
  ];
  return {
    view,
    manager,
    issuer,
    records,
    volumes,
    files,
    lost,
    registration,
    services,
    seniority,
    csiEndpoint,
  };
}
