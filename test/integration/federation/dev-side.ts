// One of two control planes in one process: a real dev run with an agent behind its Workload API socket,
// whose waits are short.

import { mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { stringify } from 'yaml';
import { X509Source } from '../../../client/src/index.ts';
import type { AuthorityState } from '../../../src/authorities/authority-state.ts';
import { type Clock, systemClock } from '../../../src/base/clock.ts';
import { silentLogger } from '../../../src/base/log.ts';
import { DevEnvironment } from '../../../src/dev/dev-environment.ts';
import { RunDirectory } from '../../../src/dev/run-directory.ts';
import { documentOf } from '../../../src/federation/federated-bundle.ts';
import { DEFAULT_IDENTITY_SETTINGS } from '../../../src/identity/settings.ts';
import type { AuthorityCommand } from '../../../src/issuer/authority/authority-commands.ts';
import { AuthorityKeeper } from '../../../src/issuer/authority/authority-keeper.ts';
import { FileAuthorityStore } from '../../../src/issuer/authority/file-authority-store.ts';
import type { Bundle } from '../../../src/spiffe/bundle/bundle.ts';
import { parseTrustDomain } from '../../../src/spiffe/spiffe-id.ts';
import type { JsonObject } from '../../../src/template/json-value.ts';
import { MemoryAuditLog } from '../../unit/issuer/fixtures.ts';
import { until } from '../process-harness.ts';

/** What waits for half a minute in production waits for a fraction of a second here. */
const hasty: Clock = {
  now: () => systemClock.now(),
  sleep: async (ms, signal) => await systemClock.sleep(Math.min(ms, 300), signal),
};
export const PATIENCE_MS = 20_000;
const KIND = { apiVersion: 'spire.spiffe.io/v1alpha1', kind: 'ClusterFederatedTrustDomain' };

export class DevSide {
  readonly trustDomain: string;
  readonly lines: string[] = [];
  readonly dev: DevEnvironment;
  port = 0;
  readonly #root = mkdtempSync(join(tmpdir(), 'signet-fed-'));
  readonly #run: RunDirectory;
  readonly #stop = new AbortController();
  readonly #sources: X509Source[] = [];
  #socket = '';
  #running: Promise<void> = Promise.resolve();

  constructor(trustDomain: string) {
    this.trustDomain = trustDomain;
    const manifests = join(this.#root, 'manifests');
    mkdirSync(manifests);
    this.#run = RunDirectory.open({ manifests, runDir: join(this.#root, 'run'), base: this.#root });
    this.policy({});
    this.write('pod.yaml', {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name: 'agent', namespace: 'demo' },
      spec: {
        containers: [{ name: 'a', image: 'a' }],
        volumes: [{ name: 'spiffe', csi: { driver: 'csi.spiffe.io', readOnly: true } }],
      },
    });
    this.dev = new DevEnvironment({
      manifests,
      run: this.#run,
      settings: { ...DEFAULT_IDENTITY_SETTINGS, trustDomain: parseTrustDomain(trustDomain) },
      clock: hasty,
      log: silentLogger,
      version: '0.0.0',
      bundleEndpoint: { address: { host: '127.0.0.1', port: 0 }, refreshHintSeconds: 1 },
      listener: {
        onNotice: (line) => this.lines.push(line),
        onFederation: (line) => this.lines.push(line),
        onBundleEndpoint: (port) => {
          this.port = port;
        },
        onPod: ({ socket }) => {
          this.#socket = socket;
        },
        onPodGone: () => {},
        onRestriction: () => {},
      },
    });
  }

  get agent(): string {
    return `spiffe://${this.trustDomain}/agent`;
  }

  get bundle(): Bundle {
    const { value } = this.dev.issuer.authorities;
    if (value === undefined) throw new Error('no authorities yet');
    return value.bundle;
  }

  async start(): Promise<void> {
    this.#running = this.dev.run(this.#stop.signal);
    await Promise.race([
      until(() => this.port !== 0 && this.#socket !== '', PATIENCE_MS),
      this.#running,
    ]);
  }

  /** A process with a source of its own. */
  async source(): Promise<X509Source> {
    const source = new X509Source({ address: `unix://${this.#socket}` });
    this.#sources.push(source);
    await source.ready(AbortSignal.timeout(PATIENCE_MS));
    return source;
  }

  policy(more: JsonObject): void {
    this.write('policy.yaml', {
      apiVersion: 'spire.spiffe.io/v1alpha1',
      kind: 'ClusterSPIFFEID',
      metadata: { name: 'agents' },
      spec: {
        spiffeIDTemplate: 'spiffe://{{ .TrustDomain }}/{{ .PodMeta.Name }}',
        federatesWith: ['*'],
        ...more,
      },
    });
  }

  /** Declares the other side, known by its bundle of now. */
  federateWith(peer: DevSide, labels: JsonObject = {}): void {
    this.write('peer.yaml', {
      ...KIND,
      metadata: { name: 'peer', labels },
      spec: {
        trustDomain: peer.trustDomain,
        bundleEndpointURL: `https://127.0.0.1:${peer.port}/`,
        bundleEndpointProfile: {
          type: 'https_spiffe',
          endpointSPIFFEID: `spiffe://${peer.trustDomain}/signet/bundle-endpoint`,
        },
        trustDomainBundle: documentOf(peer.bundle),
      },
    });
  }

  /** Replaces a file at once. */
  write(name: string, object: JsonObject): void {
    const draft = join(this.#root, 'draft');
    writeFileSync(draft, stringify(object));
    renameSync(draft, join(this.#root, 'manifests', name));
  }

  remove(name: string): void {
    rmSync(join(this.#root, 'manifests', name));
  }

  /** As `signet authority` does, beside the running process. */
  async authority(command: (state: AuthorityState) => AuthorityCommand): Promise<void> {
    const trustDomain = parseTrustDomain(this.trustDomain);
    const store = new FileAuthorityStore(this.#run.authoritiesOf(trustDomain));
    const state = (await store.read('state'))?.value as AuthorityState;
    const common = { trustDomain, store, clock: systemClock, log: silentLogger };
    await new AuthorityKeeper({ ...common, audit: new MemoryAuditLog() }).perform(command(state));
  }

  async stop(): Promise<void> {
    for (const source of this.#sources) source.close();
    this.#stop.abort();
    await this.#running;
    this.#run.close();
    rmSync(this.#root, { recursive: true, force: true });
  }
}
