// A cluster in small: a fake API server, the issuer as `signet issuer` runs it, and node plugins that
// dial it over TLS with tokens that the API server vouches for.

import { symlinkSync } from 'node:fs';
import { join } from 'node:path';
import type { AuditLog } from '../../../src/audit/audit-log.ts';
import { systemClock } from '../../../src/base/clock.ts';
import { CodedError } from '../../../src/base/errors.ts';
import { silentLogger } from '../../../src/base/log.ts';
import { COLLECTIONS } from '../../../src/cluster-view/cluster-view.ts';
import { DEFAULT_IDENTITY_SETTINGS } from '../../../src/identity/settings.ts';
import { AuthorityKeeper } from '../../../src/issuer/authority/authority-keeper.ts';
import { AuthorityView } from '../../../src/issuer/authority/signing-authorities.ts';
import { SecretAuthorityStore } from '../../../src/issuer/cluster/secret-authority-store.ts';
import { runIssuer } from '../../../src/issuer/main.ts';
import { fixedAccess } from '../../../src/kube/kube-access.ts';
import { KubeClient } from '../../../src/kube/kube-client.ts';
import { issuerChannelByTrust } from '../../../src/node/issuer-credentials.ts';
import { runNodePlugin } from '../../../src/node/main.ts';
import { formatPemCertificate } from '../../../src/spiffe/pem.ts';
import { SpiffeWorkloadAPI } from '../../../src/transport/gen/spiffe/workload_pb.ts';
import { createGrpcClient, type GrpcClient } from '../../../src/transport/grpc/grpc-client.ts';
import { fixedAuthorities } from '../../../src/transport/grpc/tls-credentials.ts';
import { FakeApiServer } from '../../fakes/fake-api-server.ts';
import { FakeKubelet } from '../../fakes/fake-kubelet.ts';
import { MemoryAuditLog, TRUST_DOMAIN } from '../../unit/issuer/fixtures.ts';
import { probe, until } from '../process-harness.ts';
import { podObject, policyObject } from './cluster-objects.ts';

export const HEADER = { 'workload.spiffe.io': 'true' };
const AUDIENCE = `signet-issuer/${TRUST_DOMAIN}`;
const ACCOUNT = 'system:serviceaccount:signet:signet-node';
const PATIENCE_MS = 20_000;

export type WorkloadClient = GrpcClient<typeof SpiffeWorkloadAPI>;

export class ClusterHarness {
  readonly api: FakeApiServer;
  readonly kubelet = new FakeKubelet();
  readonly audit = new MemoryAuditLog();
  auditLog: AuditLog = this.audit;
  readonly #client: KubeClient;
  readonly #stop = new AbortController();
  readonly #running: Promise<void>[] = [];
  readonly #clients: { close(): void }[] = [];
  ports = { issuer: 0, health: 0 };
  #links = 0;

  private constructor(api: FakeApiServer) {
    this.api = api;
    this.#client = new KubeClient({
      access: this.access,
      clock: systemClock,
      userAgent: 'signet-test/0',
    });
    api.set(COLLECTIONS.Namespace, { metadata: { name: 'shop' } });
    this.vouch(api.token, { uid: 'issuer-uid', name: 'signet-issuer-x' });
  }

  static async start(): Promise<ClusterHarness> {
    return new ClusterHarness(await FakeApiServer.start());
  }

  get access() {
    return fixedAccess({ url: this.api.url, ca: this.api.ca, token: this.api.token });
  }

  get store(): SecretAuthorityStore {
    return new SecretAuthorityStore({ client: this.#client, namespace: 'signet' });
  }

  get signal(): AbortSignal {
    return this.#stop.signal;
  }

  /** What the authority Job does. */
  async makeAuthorities(): Promise<void> {
    await this.keeper().settle();
  }

  keeper(): AuthorityKeeper {
    return new AuthorityKeeper({
      trustDomain: TRUST_DOMAIN,
      jwtKeyType: 'ec-p256',
      store: this.store,
      clock: systemClock,
      audit: new MemoryAuditLog(),
      log: silentLogger,
      isAlone: true,
    });
  }

  /** Starts the issuer; resolves when both ports answer. */
  async startIssuer(): Promise<void> {
    const listening = Promise.withResolvers<typeof this.ports>();
    const done = runIssuer(
      {
        settings: { ...DEFAULT_IDENTITY_SETTINGS, trustDomain: TRUST_DOMAIN },
        driverName: 'csi.spiffe.io',
        access: this.access,
        namespace: 'signet',
        plugin: { namespace: 'signet', serviceAccount: 'signet-node', daemonSet: 'signet-node' },
        listen: { host: 'localhost', port: 0 },
        health: { host: '127.0.0.1', port: 0 },
        maxStalenessMs: 900_000,
        audit: this.auditLog,
        clock: systemClock,
        log: silentLogger,
        version: '0.0.0',
        onListening: listening.resolve,
      },
      this.#stop.signal,
    );
    this.#running.push(done);
    this.ports = await Promise.race([
      listening.promise,
      done.then(() => Promise.reject(new Error('the issuer ended'))),
    ]);
  }

  /** Lets the API server vouch for a token, as one that is bound to a pod. */
  vouch(token: string, pod: { uid: string; name: string; node?: readonly string[] }): void {
    this.api.tokens.set(token, {
      authenticated: true,
      audiences: [AUDIENCE],
      user: {
        username: ACCOUNT,
        extra: {
          'authentication.kubernetes.io/pod-name': [pod.name],
          'authentication.kubernetes.io/pod-uid': [pod.uid],
          'authentication.kubernetes.io/node-name': pod.node ?? ['node-1'],
        },
      },
    });
  }

  /** The pod of a node plugin, and its token. */
  addPlugin(node = 'node-1'): string {
    const name = `signet-node-${node}`;
    const uid = `uid-${name}`;
    this.api.set(COLLECTIONS.Pod, {
      metadata: {
        name,
        namespace: 'signet',
        uid,
        ownerReferences: [
          {
            apiVersion: 'apps/v1',
            kind: 'DaemonSet',
            name: 'signet-node',
            uid: 'd',
            controller: true,
          },
        ],
      },
      spec: { nodeName: node, serviceAccountName: 'signet-node' },
      status: { phase: 'Running' },
    });
    const exp = Math.floor(Date.now() / 1000) + 3600;
    const token = [
      { alg: 'RS256' },
      { sub: ACCOUNT, aud: [AUDIENCE], exp, jti: node },
      'signature-',
    ]
      .map((part) => Buffer.from(JSON.stringify(part)).toString('base64url'))
      .join('.');
    this.vouch(token, { uid, name, node: [node] });
    return token;
  }

  addPod(uid: string, node = 'node-1'): void {
    this.api.set(COLLECTIONS.Pod, podObject(uid, node));
  }

  addPolicy(path: string): void {
    this.api.set(COLLECTIONS.ClusterSPIFFEID, policyObject(path));
  }

  async startPlugin(token: string): Promise<void> {
    const authorities = new AuthorityView({ trustDomain: TRUST_DOMAIN, store: this.store });
    await authorities.refresh();
    const ca = authorities.current.value?.serving.servingCa ?? [];
    const ready = Promise.withResolvers<void>();
    const done = runNodePlugin(
      {
        nodeName: 'node-1',
        driverName: 'csi.spiffe.io',
        kubeletRoot: this.kubelet.root,
        trustDomain: TRUST_DOMAIN,
        issuer: {
          channel: issuerChannelByTrust({
            target: `dns:///localhost:${this.ports.issuer}`,
            authorities: fixedAuthorities(Buffer.from(ca.map(formatPemCertificate).join(''))),
            trustDomain: TRUST_DOMAIN,
          }),
          token: async () => token,
        },
        clock: systemClock,
        log: silentLogger,
        version: '0.0.0',
        publishWaitMs: 2000,
        onReady: ready.resolve,
      },
      this.#stop.signal,
    );
    this.#running.push(done);
    await Promise.race([ready.promise, done]);
  }

  /** Publishes the volume of a pod, and gives a client of its socket. */
  async publish(uid: string): Promise<WorkloadClient> {
    const request = this.kubelet.request({ uid, name: `pod-${uid}`, namespace: 'shop' });
    const start = performance.now();
    for (;;) {
      try {
        await this.kubelet.node.nodePublishVolume(request);
        break;
      } catch (thrown) {
        // As the kubelet does: it tries again.
        const isPatient = performance.now() - start < PATIENCE_MS;
        if (!isPatient || CodedError.from(thrown).code !== 'unavailable') throw thrown;
      }
    }
    const link = join(this.kubelet.root, `s${(this.#links += 1)}`);
    symlinkSync(request.targetPath, link);
    const client = createGrpcClient(SpiffeWorkloadAPI, {
      target: `unix:${join(link, 'spire-agent.sock')}`,
    });
    this.#clients.push(client);
    return client;
  }

  /** What a probe reads. */
  async probe(path: string): Promise<{ status: number; text: string }> {
    return await probe(this.ports.health, path);
  }

  async until(condition: () => Promise<boolean> | boolean): Promise<void> {
    await until(condition, PATIENCE_MS);
  }

  async stop(): Promise<void> {
    for (const client of this.#clients) client.close();
    this.#stop.abort();
    await Promise.allSettled(this.#running);
    this.kubelet.close();
    this.#client.close();
    await this.api.stop();
  }
}
