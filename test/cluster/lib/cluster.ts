// A real Kubernetes out of packages: a control plane and nodes, each in namespaces of its own. Its
// records are on disk, so that any process can attach to a running one.

import { mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type AuditEntry, readAuditLog } from './audit-log.ts';
import { until } from './commands.ts';
import { ControlPlane } from './control-plane.ts';
import { Helm } from './helm.ts';
import type { KubeApi } from './kube-api.ts';
import { hasCondition } from './kube-object.ts';
import { Kubectl } from './kubectl.ts';
import { CONTROL_PLANE_ADDRESS, DNS_SERVICE_ADDRESS, directoryOf, MAX_NODES } from './layout.ts';
import { ClusterNode } from './node.ts';
import { Pki } from './pki.ts';
import { tearDown } from './tear-down.ts';
import type { Tools } from './tools.ts';

export type ClusterOptions = {
  /** Prefix of its namespaces and cgroups; two clusters need two names. */
  readonly name: string;
  readonly nodes: number;
  readonly tools: Tools;
  /** Tars, loaded on every node. */
  readonly images: readonly string[];
};

type State = { readonly name: string; readonly nodes: number; readonly tools: Tools };

const COMPONENTS = [
  'kube-apiserver',
  'kube-controller-manager',
  'kube-scheduler',
  'kubelet',
  'kube-proxy',
  'kubectl',
] as const;
const STATE = 'state.json';
/** A kubelet whose API server was away takes over a minute to come back. */
const READY_MS = 180_000;

export class Cluster {
  readonly name: string;
  readonly directory: string;
  readonly controlPlane: ControlPlane;
  readonly nodes: readonly ClusterNode[];
  readonly kubectl: Kubectl;
  readonly helm: Helm;

  private constructor({ name, nodes, tools }: State) {
    this.name = name;
    const directory = directoryOf(name);
    this.directory = directory;
    this.controlPlane = new ControlPlane(name, directory);
    this.nodes = Array.from(
      { length: nodes },
      (_, index) => new ClusterNode({ cluster: name, directory, index: index + 1 }),
    );
    this.kubectl = new Kubectl(this.controlPlane);
    this.helm = new Helm(this.controlPlane, tools.helm);
  }

  /** One that runs. */
  static attach(name: string): Cluster {
    const file = join(directoryOf(name), STATE);
    return new Cluster(JSON.parse(readFileSync(file, 'utf8')) as State);
  }

  /** Resolves when all nodes are Ready; what an earlier one of that name left is ended first. */
  static async up({ name, nodes, tools, images }: ClusterOptions): Promise<Cluster> {
    if (!/^[a-z0-9]{1,10}$/.test(name)) throw new Error(`name "${name}": 1-10 of a-z and 0-9`);
    if (nodes < 1 || nodes > MAX_NODES) throw new Error(`nodes: 1 to ${MAX_NODES}`);
    await tearDown(name);
    const state: State = { name, nodes, tools };
    const cluster = new Cluster(state);
    const { directory } = cluster;
    rmSync(directory, { recursive: true, force: true });
    for (const part of ['bin', 'log', 'run']) {
      mkdirSync(join(directory, part), { recursive: true, mode: 0o700 });
    }
    writeFileSync(join(directory, STATE), JSON.stringify(state));
    for (const name of COMPONENTS) symlinkSync(tools.kubernetes, join(directory, 'bin', name));
    symlinkSync(tools.etcd, join(directory, 'bin/etcd'));
    await cluster.#start(tools, images);
    return cluster;
  }

  static async down(name: string): Promise<void> {
    await tearDown(name);
  }

  async down(): Promise<void> {
    await tearDown(this.name);
  }

  get api(): KubeApi {
    return this.controlPlane.api;
  }

  /** What the API server was asked so far. */
  audit(): readonly AuditEntry[] {
    return readAuditLog(this.controlPlane.auditLog);
  }

  node(name: string): ClusterNode {
    const node = this.nodes.find((node) => node.name === name);
    if (node === undefined) throw new Error(`no node ${name}`);
    return node;
  }

  /** All nodes say they are, and pods can be made. */
  async ready(): Promise<void> {
    for (const { name } of this.nodes) {
      await this.api.waitFor(`/api/v1/nodes/${name}`, (node) => hasCondition(node, 'Ready'), {
        timeoutMs: READY_MS,
      });
    }
    await this.#hasServiceAccount('default');
  }

  /** Sets the store back to a copy of `controlPlane.snapshot`; Signet is not told. */
  async restore(snapshot: string): Promise<void> {
    await this.controlPlane.restore(snapshot);
    for (const { kubelet, proxy } of this.nodes) {
      await kubelet.restart('SIGKILL');
      await proxy.restart('SIGKILL');
    }
    await this.ready();
  }

  async createNamespace(
    name: string,
    labels: Readonly<Record<string, string>> = {},
  ): Promise<void> {
    await this.api.apply({ apiVersion: 'v1', kind: 'Namespace', metadata: { name, labels } });
    await this.#hasServiceAccount(name);
  }

  async deleteNamespace(name: string): Promise<void> {
    await this.api.delete(`/api/v1/namespaces/${name}`);
    await this.api.waitGone(`/api/v1/namespaces/${name}`);
  }

  async #start(tools: Tools, images: readonly string[]): Promise<void> {
    const { controlPlane, nodes } = this;
    const pki = await Pki.create(join(this.directory, 'pki'));
    await controlPlane.createNetwork();
    const preparing = Promise.all(nodes.map((node) => node.prepare(pki, images)));
    await Promise.all([preparing, controlPlane.start(pki)]);
    for (const node of nodes) node.start();
    controlPlane.startDns(tools.coredns);
    await this.#publishDns();
    await this.ready();
  }

  /** DNS runs beside the API server, behind the usual Service. */
  async #publishDns(): Promise<void> {
    const metadata = { name: 'kube-dns', namespace: 'kube-system' };
    const ports = [
      { name: 'dns', protocol: 'UDP', port: 53 },
      { name: 'dns-tcp', protocol: 'TCP', port: 53 },
    ];
    const service = {
      apiVersion: 'v1',
      kind: 'Service',
      metadata,
      spec: { clusterIP: DNS_SERVICE_ADDRESS, ports },
    };
    const slice = {
      apiVersion: 'discovery.k8s.io/v1',
      kind: 'EndpointSlice',
      metadata: { ...metadata, labels: { 'kubernetes.io/service-name': 'kube-dns' } },
      addressType: 'IPv4',
      endpoints: [{ addresses: [CONTROL_PLANE_ADDRESS] }],
      ports,
    };
    await this.api.apply(service, slice);
  }

  async #hasServiceAccount(namespace: string): Promise<void> {
    const path = `/api/v1/namespaces/${namespace}/serviceaccounts/default`;
    await until(`ServiceAccount default of ${namespace}`, () => this.api.find(path));
  }
}
