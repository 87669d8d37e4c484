// A cluster as an API server tells of it, and `signet check` against it.

import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Finding } from '../../../src/cli/check/finding.ts';
import { checkCommand } from '../../../src/cli/check.ts';
import type { Command } from '../../../src/cli/command.ts';
import { customResourceDefinition, KINDS } from '../../../src/crds/custom-resource-definition.ts';
import { createServingAuthority } from '../../../src/spiffe/authority/x509-authority.ts';
import { formatPemCertificate } from '../../../src/spiffe/pem.ts';
import { parseTrustDomain } from '../../../src/spiffe/spiffe-id.ts';
import { type ApiObject, FakeApiServer } from '../../fakes/fake-api-server.ts';
import { runCommand } from './run-command.ts';

export const OURS = { 'app.kubernetes.io/name': 'signet' };
export const PATHS = {
  nodes: '/api/v1/nodes',
  pods: '/api/v1/pods',
  namespaces: '/api/v1/namespaces',
  events: '/api/v1/events',
  policies: '/apis/spire.spiffe.io/v1alpha1/clusterspiffeids',
  restrictions: '/apis/signet.dev/v1alpha1/identityrestrictions',
  configMaps: '/api/v1/configmaps',
  services: '/api/v1/services',
  drivers: '/apis/storage.k8s.io/v1/csidrivers',
  csiNodes: '/apis/storage.k8s.io/v1/csinodes',
  deployments: '/apis/apps/v1/deployments',
  daemonSets: '/apis/apps/v1/daemonsets',
  leases: '/apis/coordination.k8s.io/v1/leases',
  crds: '/apis/apiextensions.k8s.io/v1/customresourcedefinitions',
  mutating: '/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations',
  validating: '/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations',
  clusterRoles: '/apis/rbac.authorization.k8s.io/v1/clusterroles',
  clusterRoleBindings: '/apis/rbac.authorization.k8s.io/v1/clusterrolebindings',
} as const;

export class ClusterHarness {
  readonly api: FakeApiServer;
  readonly directory: string;
  readonly #issuerCa: string;
  version = 'v1.33.2';

  private constructor(api: FakeApiServer, issuerCa: string) {
    this.api = api;
    this.#issuerCa = issuerCa;
    this.directory = mkdtempSync(join(tmpdir(), 'signet-check-'));
    this.answer('/version', () => ({ gitVersion: this.version }));
    this.answer('/apis/admissionregistration.k8s.io/v1', () => ({ resources: [] }));
    const account = join(this.directory, 'account');
    mkdirSync(account);
    writeFileSync(join(account, 'token'), api.token);
    writeFileSync(join(account, 'ca.crt'), api.ca);
    writeFileSync(join(account, 'namespace'), 'shop');
  }

  static async start(): Promise<ClusterHarness> {
    const { certificateDer } = await createServingAuthority({
      trustDomain: parseTrustDomain('check.test'),
      notBefore: Date.now() - 60_000,
      notAfter: Date.now() + 30 * 24 * 3_600_000,
    });
    return new ClusterHarness(await FakeApiServer.start(), formatPemCertificate(certificateDer));
  }

  /** What paths answer that hold no objects. */
  answer(path: string, body: () => unknown): void {
    const act = { status: 200, body: undefined as unknown };
    this.api.faults.push({
      on: (request) => {
        act.body = body();
        return request.method === 'GET' && request.path === path;
      },
      act,
    });
  }

  forbid(path: string): void {
    this.api.faults.unshift({ on: (request) => request.path === path, act: { status: 403 } });
  }

  set(collection: string, object: ApiObject): void {
    this.api.set(collection, object);
  }

  /** Everything that the chart makes, and two nodes on which it works. */
  install(): void {
    const own = (name: string, more: object = {}) => ({
      metadata: { name, namespace: 'signet', labels: OURS },
      ...more,
    });
    for (const name of ['signet-issuer', 'signet-controller']) {
      this.set(
        PATHS.deployments,
        own(name, { spec: { replicas: 2 }, status: { readyReplicas: 2 } }),
      );
    }
    const status = { desiredNumberScheduled: 2, numberReady: 2 };
    this.set(PATHS.daemonSets, own('signet-node', { status }));
    const spec = { holderIdentity: 'c-1', renewTime: new Date().toISOString() };
    this.set(PATHS.leases, own('signet-controller', { spec }));
    for (const path of [PATHS.mutating, PATHS.validating]) {
      const webhooks = [{ name: 'pod.signet.dev', clientConfig: { caBundle: 'Q0E=' } }];
      this.set(path, { metadata: { name: 'signet', labels: OURS }, webhooks });
    }
    this.set(PATHS.configMaps, own('signet-authority-state', { data: { state: '{}' } }));
    this.set(PATHS.configMaps, own('signet-issuer-ca', { data: { 'ca.crt': this.#issuerCa } }));
    this.set(PATHS.drivers, {
      metadata: { name: 'csi.spiffe.io', labels: OURS },
      spec: { podInfoOnMount: true },
    });
    for (const node of ['n1', 'n2']) {
      this.set(PATHS.nodes, { metadata: { name: node } });
      this.set(PATHS.csiNodes, {
        metadata: { name: node },
        spec: { drivers: [{ name: 'csi.spiffe.io' }] },
      });
      this.set(PATHS.pods, own(`signet-node-${node}`, { spec: { nodeName: node } }));
    }
    for (const kind of KINDS) {
      const crd = customResourceDefinition(kind);
      this.set(PATHS.crds, { ...crd, metadata: { ...crd.metadata, labels: OURS } });
    }
  }

  /** An issuer that says how it decides, and the kinds that have no objects yet. */
  decideBy(...args: readonly string[]): void {
    const containers = [{ args: ['issuer', ...args] }];
    this.set(PATHS.deployments, {
      metadata: { name: 'signet-issuer', namespace: 'signet', labels: OURS },
      spec: { template: { spec: { containers } } },
    });
  }

  policy(name: string, spec: object): void {
    const metadata = { name, creationTimestamp: '2026-01-01T00:00:00Z' };
    this.set(PATHS.policies, {
      apiVersion: 'spire.spiffe.io/v1alpha1',
      kind: 'ClusterSPIFFEID',
      metadata,
      spec,
    });
  }

  mountingPod(name: string, phase = 'Running'): void {
    this.set(PATHS.pods, {
      metadata: { name, namespace: 'shop' },
      spec: { nodeName: 'n1', volumes: [{ name: 'v', csi: { driver: 'csi.spiffe.io' } }] },
      status: { phase },
    });
  }

  async run(command: Command, ...args: readonly string[]) {
    const place = [
      `--api-server=${this.api.url}`,
      `--service-account-dir=${join(this.directory, 'account')}`,
    ];
    return await runCommand(command, [...args, ...place]);
  }

  async check(...args: readonly string[]) {
    const { code, out, err } = await this.run(checkCommand, ...args, '-o', 'json');
    const { findings } = JSON.parse(out) as { findings: readonly Finding[] };
    const of = (status: Finding['status']) =>
      findings
        .filter((each) => each.status === status)
        .map(({ check, message }) => `${check}: ${message}`);
    return { code, err, findings, warnings: of('warn'), failures: of('fail') };
  }

  async stop(): Promise<void> {
    rmSync(this.directory, { recursive: true });
    await this.api.stop();
  }
}
