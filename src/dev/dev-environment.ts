// Dev mode put together: the real issuer, the real node plugin and the real CSI calls in one process,
// fed by a directory of manifests. Only where objects come from and who plays the kubelet is its own.

import { FileAuditLog } from '../audit/file-audit-log.ts';
import { IdentityView } from '../identity/identity-view.ts';
import { readPod } from '../identity/objects.ts';
import type { IdentitySettings } from '../identity/settings.ts';
import { FileAuthorityStore } from '../issuer/authority/file-authority-store.ts';
import { IdentityPodSource } from '../issuer/identity-pod-source.ts';
import { createIssuer, type Issuer } from '../issuer/issuer.ts';
import { ProcessTokenAuthenticator } from '../issuer/process-token-authenticator.ts';
import { runNodePlugin } from '../node/main.ts';
import { DEV_NODE } from './cluster-objects.ts';
import { serveDevBundle } from './dev-bundle-endpoint.ts';
import { DevFederation } from './dev-federation.ts';
import { devIssuerSettings, serveDevOidc } from './dev-oidc.ts';
import type { DevOptions } from './dev-options.ts';
import { DEV_WEBHOOK } from './dev-settings.ts';
import { DevStore } from './dev-store.ts';
import { issuerChannel, listenForNodes } from './issuer-channel.ts';
import { type ManifestSet, watchDirectory } from './manifest-directory.ts';
import { PodRunner, type RunnablePod } from './pod-runner.ts';
import { PodSync } from './pod-sync.ts';
import { runnablePod } from './runnable-pod.ts';

const DRIVER_NAME = DEV_WEBHOOK.driverName;

export class DevEnvironment {
  readonly view: IdentityView;
  readonly issuer: Issuer;
  readonly #options: DevOptions;
  readonly #store: DevStore;
  readonly #source: IdentityPodSource;
  readonly #authenticator: ProcessTokenAuthenticator;
  readonly #sync: PodSync;
  readonly #runner: PodRunner;
  readonly #audit: FileAuditLog;
  readonly #authorities: FileAuthorityStore;
  readonly #federation: DevFederation;
  readonly #sockets = new Map<string, string>();
  /** What is wrong with the manifests as they are, and was said. */
  #said: ReadonlySet<string> = new Set();

  constructor(options: DevOptions) {
    const { run, settings, clock, log, listener, oidc } = options;
    this.#options = options;
    this.view = new IdentityView(settings);
    this.#store = new DevStore({ identity: settings, webhook: DEV_WEBHOOK });
    this.#source = new IdentityPodSource({
      view: this.view,
      driverName: DRIVER_NAME,
      clock,
      onBadObject: ({ kind, name }, errors) =>
        listener.onNotice(`${kind} ${name}: ${errors.join('; ')}`),
    });
    this.#authenticator = new ProcessTokenAuthenticator(DEV_NODE, clock);
    this.#audit = new FileAuditLog(run.auditLog, clock);
    this.#authorities = new FileAuthorityStore(run.authoritiesOf(settings.trustDomain));
    this.#federation = new DevFederation({
      settings,
      path: run.federatedBundlesOf(settings.trustDomain),
      issuer: () => this.issuer,
      clock,
      log,
      onReport: listener.onFederation ?? (() => {}),
    });
    this.issuer = createIssuer({
      trustDomain: settings.trustDomain,
      store: this.#authorities,
      pods: this.#source,
      authenticator: this.#authenticator,
      audit: this.#audit,
      clock,
      log,
      federation: this.#federation,
      settings: devIssuerSettings(settings.trustDomain, oidc, options.bundleEndpoint !== undefined),
    });
    this.#runner = new PodRunner({ kubeletRoot: run.kubelet, driverName: DRIVER_NAME });
    this.#sync = new PodSync({
      runner: this.#runner,
      clock,
      log,
      onPublished: (pod, directory) => {
        this.#sockets.set(pod.uid, run.linkSocket(pod, directory));
        this.#show(pod.uid);
      },
      onUnpublished: (pod) => {
        this.#sockets.delete(pod.uid);
        if (pod.name === '') return run.unlinkDangling();
        run.unlinkSocket(pod);
        listener.onPodGone(pod);
      },
    });
    this.#source.onChange(({ podUid, gone }) => {
      if (!gone && this.#sockets.has(podUid)) this.#show(podUid);
    });
  }

  /** The socket of a pod; undefined while its volume is not there. */
  socketOf(namespace: string, name: string): string | undefined {
    const uid = this.view.podUid(namespace, name);
    return uid === undefined ? undefined : this.#sockets.get(uid);
  }

  /** Whether the node has applied what is now true of a pod. */
  hasArrived(podUid: string): boolean {
    const pod = this.#source.pod(podUid);
    return pod !== undefined && this.issuer.hasAcknowledged(pod.node, podUid, pod.version);
  }

  /** Runs until aborted or until a part of it fails. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, log, run, manifests, settings, version } = this.#options;
    const stop = new AbortController();
    const onAbort = () => stop.abort();
    signal.addEventListener('abort', onAbort, { once: true });
    const parts: Promise<unknown>[] = [];
    const start = (part: Promise<unknown>) => parts.push(part.finally(onAbort));
    try {
      const sets = watchDirectory(manifests, clock, stop.signal);
      const first = await sets.next();
      if (first.done === true) return;
      this.#applyManifests(first.value);
      start(this.issuer.run(stop.signal));
      await Promise.race([this.issuer.authorities.first(() => true, stop.signal), ...parts]);
      if (stop.signal.aborted) return void (await Promise.all(parts));
      const nodes = { log, signal: stop.signal };
      start((await listenForNodes(this.issuer, run.issuerSocket, nodes)).ended);
      start(this.#serveOthers(stop.signal));
      await this.#startPlugin(start, stop.signal, { trustDomain: settings.trustDomain, version });
      if (stop.signal.aborted) return void (await Promise.all(parts));
      await this.#runner.register();
      this.#sync.adopt(this.#runner.leftBehind());
      this.#sync.set(this.#runnablePods());
      start(this.#sync.run(stop.signal));
      start(this.#source.run(stop.signal));
      start(this.#follow(sets));
      await Promise.all(parts);
    } catch (err) {
      // Told to stop, calls of one part to another may be cut short: that is no failure.
      if (!signal.aborted) throw err;
      log.info({ err }, 'Stopped in the middle of something');
    } finally {
      stop.abort();
      signal.removeEventListener('abort', onAbort);
      await Promise.allSettled(parts);
      this.#runner.close();
      this.#audit.close();
    }
  }

  async #serveOthers(signal: AbortSignal): Promise<void> {
    const { oidc, bundleEndpoint, run, clock, log, listener } = this.#options;
    const from = { issuer: this.issuer, store: this.#authorities, clock, log };
    const { servingAuthorities: authoritiesPath } = run;
    const onServing = () => oidc && listener.onOidc?.(oidc);
    const parts = [
      serveDevOidc(oidc, { ...from, authoritiesPath, onServing }, signal),
      this.#federation.run(signal),
    ];
    if (bundleEndpoint) {
      const onListening = (port: number) => listener.onBundleEndpoint?.(port);
      parts.push(serveDevBundle(bundleEndpoint, { ...from, onServing: onListening }, signal));
    }
    await Promise.all(parts);
  }

  async #startPlugin(
    start: (part: Promise<unknown>) => void,
    signal: AbortSignal,
    of: Pick<IdentitySettings, 'trustDomain'> & { version: string },
  ): Promise<void> {
    const { clock, log, run } = this.#options;
    const ready = Promise.withResolvers<void>();
    const plugin = runNodePlugin(
      {
        ...of,
        nodeName: DEV_NODE,
        driverName: DRIVER_NAME,
        kubeletRoot: run.kubelet,
        issuer: {
          channel: issuerChannel(this.issuer, run.issuerSocket, of.trustDomain),
          token: async () => this.#authenticator.token,
        },
        clock,
        log,
        allowKeysOnDisk: this.#options.allowKeysOnDisk ?? false,
        explainFlags: this.#options.explainFlags,
        onReady: () => ready.resolve(),
      },
      signal,
    );
    start(plugin);
    await Promise.race([ready.promise, plugin]);
  }

  async #follow(sets: AsyncIterable<ManifestSet>): Promise<void> {
    for await (const set of sets) {
      this.#applyManifests(set);
      this.#sync.set(this.#runnablePods());
    }
  }

  #applyManifests({ objects, errors }: ManifestSet): void {
    const { listener, clock } = this.#options;
    const { changes, notices, warnings } = this.#store.apply(objects);
    this.#federation.set(objects);
    const standing = [...errors, ...warnings];
    for (const line of standing) if (!this.#said.has(line)) listener.onNotice(line);
    for (const line of notices) listener.onNotice(line);
    this.#said = new Set(standing);
    // Time as a floor: what a plugin remembers of an earlier run is never newer.
    const version = BigInt(Math.max(clock.now(), Number(this.#source.version) + 1));
    this.issuer.noteChanges(changes);
    this.#source.apply(changes, version);
    for (const { kind, name, object } of changes) {
      if (kind === 'IdentityRestriction' && object !== undefined)
        listener.onRestriction(name, this);
    }
  }

  #show(podUid: string): void {
    const decision = this.view.decision(podUid, this.#options.clock.now());
    const socket = this.#sockets.get(podUid);
    if (decision === undefined || socket === undefined) return;
    this.#options.listener.onPod({ decision, socket });
  }

  *#runnablePods(): Iterable<RunnablePod> {
    for (const object of this.#store.objects('Pod')) {
      const runnable = runnablePod(readPod(object), DRIVER_NAME);
      if (runnable !== undefined) yield runnable;
    }
  }
}
