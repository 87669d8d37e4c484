// The node plugin, put together. Volumes of an earlier run are served again first, then the kubelet
// is told, and only then the network is used: a node that boots must not wait for an issuer that
// waits for the node.

import type { Clock } from '../base/clock.ts';
import { invalid } from '../base/errors.ts';
import type { Logger } from '../base/log.ts';
import type { TrustDomain } from '../spiffe/spiffe-id.ts';
import type { GrpcClientOptions } from '../transport/grpc/grpc-client.ts';
import { csiIdentity } from './csi/csi-identity.ts';
import { csiNode } from './csi/csi-node.ts';
import { PluginSocket } from './csi/plugin-socket.ts';
import { Registration } from './csi/registration.ts';
import type { PluginState } from './health.ts';
import { IssuerClient } from './issuer-client.ts';
import type { Report } from './node-reports.ts';
import { NodeView } from './node-view.ts';
import { SigningBatch } from './svid/signing-batch.ts';
import { SvidManager } from './svid/svid-manager.ts';
import { MAX_SOCKET_PATH_BYTES } from './volume/hidden-listener.ts';
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
  readonly publishWaitMs?: number;
  readonly requireIdentityWaitMs?: number;
  /** Default: true. Otherwise somebody else tells the kubelet, such as the official sidecar. */
  readonly registers?: boolean;
  /** Called once the kubelet can find and call the plugin. */
  readonly onReady?: () => void;
  /** Told at the same time what can be asked for the plugin's health. */
  readonly health?: { started(plugin: PluginState): void };
};

const PUBLISH_WAIT_MS = 10_000;
const REQUIRE_IDENTITY_WAIT_MS = 90_000;
const SWEEP_EVERY_MS = 10_000;

/**
 * Runs until aborted, then takes back the registration, ends calls and streams with Unavailable and
 * leaves the pods' sockets where they are. Rejects when the kubelet refuses it for too long.
 */
export async function runNodePlugin(
  options: NodePluginOptions,
  signal: AbortSignal,
): Promise<void> {
  const plugin = compose(options);
  const { registration, csiEndpoint } = plugin;
  const stop = new AbortController();
  const onAbort = () => stop.abort();
  signal.addEventListener('abort', onAbort, { once: true });
  if (signal.aborted) return;
  let csi: PluginSocket | undefined;
  const running: Promise<void>[] = [];
  // The first part that fails stops the others.
  const run = (part: Promise<void>) => running.push(part.finally(onAbort));
  try {
    await plugin.volumes.restore();
    csi = await PluginSocket.listen({ path: csiEndpoint, services: plugin.services });
    await registration?.listen();
    const registrationState = () => registration?.state ?? 'off';
    options.health?.started({ csiEndpoint, registration: registrationState });
    options.onReady?.();
    run(plugin.manager.run(stop.signal));
    run(plugin.issuer.run(stop.signal));
    if (registration !== undefined) run(registration.run(stop.signal));
    run(sweep({ ...plugin, csi }, options, stop.signal));
    await Promise.race([aborted(stop.signal), ...running]);
  } finally {
    stop.abort();
    signal.removeEventListener('abort', onAbort);
    await registration?.close();
    await csi?.close();
    await plugin.volumes.close();
    await Promise.allSettled(running);
  }
  await Promise.all(running);
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
    onBundles: () => manager.bundlesChanged(),
    onAbsent: (podUid) => manager.podAbsent(podUid),
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
    sign: async (item) => await batch.sign(item),
    signJwt: async (request) => await issuer.signJwt(request),
    onPublished: (podUid) => issuer.reports.add(`volume/${podUid}`, published(podUid)),
    onUnpublished: (podUid) => issuer.reports.add(`volume/${podUid}`, unpublished(podUid)),
  });
  const volumes = new Volumes({
    kubeletRoot,
    records: new VolumeRecords(`${directory}/volumes`),
    answers: manager,
    serve: workloadEndpoints({ answers: manager, clock }),
    clock,
    log,
    publishWaitMs: options.publishWaitMs ?? PUBLISH_WAIT_MS,
    requireIdentityWaitMs: options.requireIdentityWaitMs ?? REQUIRE_IDENTITY_WAIT_MS,
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
  const services = [
    csiIdentity({ driverName, version: options.version, ready: () => true }),
    csiNode({ nodeName: options.nodeName, kubeletRoot, volumes }),
  ];
  return { manager, issuer, volumes, registration, services, csiEndpoint };
}

function hello(view: NodeView, manager: SvidManager, pluginVersion: string): Report {
  const held = [...manager.held()].map(({ podUid, entryId, serial, notAfter }) => ({
    podUid,
    entryId,
    serial,
    notAfter: BigInt(Math.floor(notAfter / 1000)),
  }));
  const { own, restrictionVersion } = view;
  return {
    case: 'hello',
    value: { held, bundleSequence: own?.sequence ?? 0n, restrictionVersion, pluginVersion },
  };
}

function published(podUid: string): Report {
  return { case: 'published', value: { podUid } };
}

function unpublished(podUid: string): Report {
  return { case: 'unpublished', value: { podUid } };
}

type Swept = {
  readonly csi: PluginSocket;
  readonly registration: Registration | undefined;
  readonly volumes: Volumes;
};

// What somebody removed by hand is put back, by the instance that the kubelet calls and no other.
async function sweep(
  { csi, registration, volumes }: Swept,
  { clock, log }: NodePluginOptions,
  signal: AbortSignal,
): Promise<void> {
  while (!signal.aborted) {
    await clock.sleep(SWEEP_EVERY_MS, signal);
    if (signal.aborted) return;
    if (registration?.state === 'yielded') continue;
    try {
      if (csi.holder() === 'none') await csi.bindAgain();
    } catch (err) {
      log.warn({ err }, 'Failed to put the CSI socket back');
    }
    await volumes.sweep();
  }
}

async function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return;
  await new Promise<void>((resolve) => {
    signal.addEventListener('abort', () => resolve(), { once: true });
  });
}
