// etcd, API server, controllers, scheduler and DNS: processes in a network namespace of their own.
// The API server reaches pods (webhooks) by routes, so it needs no proxy of its own.

import { cpSync, mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { run, until } from './commands.ts';
import { Component } from './component.ts';
import { KubeApi } from './kube-api.ts';
import { writeKubeconfig } from './kubeconfig.ts';
import {
  API_SERVICE_ADDRESS,
  CONTROL_PLANE_ADDRESS,
  inNetwork,
  networkNamespace,
  POD_CIDR,
  SERVICE_CIDR,
} from './layout.ts';
import type { Pki } from './pki.ts';

const ETCD = 'http://127.0.0.1:2379';
const GATE = 'gate.sock';
const MEMBER = 'cp';
const READY_MS = 60_000;
/** What of the API server is switched on beside its defaults. */
const FEATURES = 'ClusterTrustBundle=true';
const RUNTIME_CONFIG = 'certificates.k8s.io/v1beta1/clustertrustbundles=true';
const CLIENTS = {
  admin: 'O=system:masters, CN=admin',
  'kube-controller-manager': 'CN=system:kube-controller-manager',
  'kube-scheduler': 'CN=system:kube-scheduler',
  'kube-proxy': 'CN=system:kube-proxy',
  'front-proxy': 'CN=front-proxy-client',
} as const;
/** Who did what to which object, without bodies: enough to hold roles against what is used. */
const AUDIT_POLICY = {
  apiVersion: 'audit.k8s.io/v1',
  kind: 'Policy',
  omitStages: ['RequestReceived'],
  rules: [{ level: 'Metadata' }],
};

export class ControlPlane {
  readonly cluster: string;
  readonly directory: string;
  readonly etcd: Component;
  readonly apiServer: Component;
  readonly controllerManager: Component;
  readonly scheduler: Component;
  readonly dns: Component;
  /** The API server without TLS on a Unix socket, as the administrator, for the tests themselves. */
  readonly gate: Component;
  readonly api: KubeApi;
  readonly auditLog: string;
  readonly prefix: readonly string[];

  constructor(cluster: string, directory: string) {
    this.cluster = cluster;
    this.directory = directory;
    const component = (name: string): Component => new Component(directory, name);
    this.etcd = component('etcd');
    this.apiServer = component('kube-apiserver');
    this.controllerManager = component('kube-controller-manager');
    this.scheduler = component('kube-scheduler');
    this.dns = component('coredns');
    this.gate = component('gate');
    this.api = new KubeApi(join(directory, GATE));
    this.auditLog = join(directory, 'log', 'audit.log');
    this.prefix = inNetwork(cluster, MEMBER);
  }

  /** The bridge all nodes hang on. */
  async createNetwork(): Promise<void> {
    const name = networkNamespace(this.cluster, MEMBER);
    await run(['ip', 'netns', 'add', name]);
    const script = [
      'ip link set lo up',
      'ip link add br0 type bridge',
      `ip addr add ${CONTROL_PLANE_ADDRESS}/24 dev br0`,
      'ip link set br0 up',
      'echo 1 >/proc/sys/net/ipv4/ip_forward',
    ].join(' && ');
    await run([...this.prefix, 'sh', '-c', script]);
  }

  async start(pki: Pki): Promise<void> {
    this.#startEtcd();
    await pki.leaf({
      name: 'apiserver',
      subject: 'CN=kube-apiserver',
      dns: ['kubernetes.default.svc', 'localhost'],
      addresses: ['127.0.0.1', CONTROL_PLANE_ADDRESS, API_SERVICE_ADDRESS],
    });
    for (const [name, subject] of Object.entries(CLIENTS)) await pki.leaf({ name, subject });
    for (const name of Object.keys(CLIENTS)) writeKubeconfig(this.directory, name);
    this.#startApiServer();
    this.gate.define([
      ...this.prefix,
      'bin/kubectl',
      '--kubeconfig=admin.kubeconfig',
      'proxy',
      `--unix-socket=${join(this.directory, GATE)}`,
    ]);
    await this.ready();
    this.#startControllers();
  }

  /** Resolves once the API server says so itself. */
  async ready(): Promise<void> {
    await until(
      'the API server',
      async () => {
        if (this.apiServer.pid === undefined) throw new Error(this.apiServer.tail());
        return (await this.api.isReady()) ? true : undefined;
      },
      { timeoutMs: READY_MS, everyMs: 100 },
    );
  }

  /** The API server dies, and so do controllers and scheduler: real ones end when they cannot lead. */
  async crash(): Promise<void> {
    for (const component of [this.apiServer, this.controllerManager, this.scheduler]) {
      await component.stop('SIGKILL');
    }
  }

  /** Starts what `crash` has ended, if it has. */
  async recover(): Promise<void> {
    this.apiServer.start();
    await this.ready();
    this.controllerManager.start();
    this.scheduler.start();
  }

  startDns(binary: string): void {
    const file = join(this.directory, 'Corefile');
    const kubeconfig = join(this.directory, 'admin.kubeconfig');
    writeFileSync(
      file,
      `.:53 {\n errors\n kubernetes cluster.local {\n  kubeconfig ${kubeconfig} x\n }\n}\n`,
    );
    this.dns.define([...this.prefix, binary, '-conf', file]);
  }

  /** A copy of the store; the API server waits while it is made. */
  async snapshot(target: string): Promise<void> {
    await this.etcd.stop();
    cpSync(join(this.directory, 'etcd'), target, { recursive: true });
    this.etcd.start();
    await this.ready();
  }

  /**
   * Brings back a snapshot, with its resource versions: clients hold newer ones then. Kubernetes' own
   * components are restarted, as its documentation asks for; `Cluster.restore` does those of nodes.
   */
  async restore(snapshot: string): Promise<void> {
    await this.apiServer.stop('SIGKILL');
    await this.etcd.stop();
    const data = join(this.directory, 'etcd');
    rmSync(data, { recursive: true });
    cpSync(snapshot, `${data}.restored`, { recursive: true });
    renameSync(`${data}.restored`, data);
    this.etcd.start();
    this.apiServer.start();
    await this.ready();
    for (const component of [this.controllerManager, this.scheduler, this.dns]) {
      await component.restart('SIGKILL');
    }
  }

  #startEtcd(): void {
    mkdirSync(join(this.directory, 'etcd'), { mode: 0o700 });
    this.etcd.define([
      ...this.prefix,
      'bin/etcd',
      '--data-dir=etcd',
      `--listen-client-urls=${ETCD}`,
      `--advertise-client-urls=${ETCD}`,
      '--listen-peer-urls=http://127.0.0.1:0',
      '--unsafe-no-fsync',
    ]);
  }

  #startApiServer(): void {
    writeFileSync(join(this.directory, 'audit-policy.json'), JSON.stringify(AUDIT_POLICY));
    this.apiServer.define([
      ...this.prefix,
      'bin/kube-apiserver',
      `--etcd-servers=${ETCD}`,
      '--bind-address=0.0.0.0',
      `--advertise-address=${CONTROL_PLANE_ADDRESS}`,
      '--secure-port=6443',
      '--tls-cert-file=pki/apiserver.crt',
      '--tls-private-key-file=pki/apiserver.key',
      '--client-ca-file=pki/ca.crt',
      '--authorization-mode=Node,RBAC',
      '--enable-admission-plugins=NodeRestriction',
      '--allow-privileged=true',
      `--service-cluster-ip-range=${SERVICE_CIDR}`,
      '--enable-aggregator-routing=true',
      `--feature-gates=${FEATURES}`,
      `--runtime-config=${RUNTIME_CONFIG}`,
      '--service-account-issuer=https://kubernetes.default.svc',
      '--service-account-key-file=pki/sa.pub',
      '--service-account-signing-key-file=pki/sa.key',
      '--kubelet-client-certificate=pki/admin.crt',
      '--kubelet-client-key=pki/admin.key',
      '--kubelet-certificate-authority=pki/ca.crt',
      '--kubelet-preferred-address-types=InternalIP',
      '--requestheader-client-ca-file=pki/ca.crt',
      '--requestheader-allowed-names=front-proxy-client',
      '--requestheader-username-headers=X-Remote-User',
      '--requestheader-group-headers=X-Remote-Group',
      '--requestheader-extra-headers-prefix=X-Remote-Extra-',
      '--proxy-client-cert-file=pki/front-proxy.crt',
      '--proxy-client-key-file=pki/front-proxy.key',
      '--audit-policy-file=audit-policy.json',
      `--audit-log-path=${this.auditLog}`,
      '--audit-log-mode=blocking',
    ]);
  }

  #startControllers(): void {
    this.controllerManager.define([
      ...this.prefix,
      'bin/kube-controller-manager',
      ...ownKubeconfig('kube-controller-manager'),
      '--service-account-private-key-file=pki/sa.key',
      '--root-ca-file=pki/ca.crt',
      '--cluster-signing-cert-file=pki/ca.crt',
      '--cluster-signing-key-file=pki/ca.key',
      '--use-service-account-credentials=true',
      `--cluster-cidr=${POD_CIDR}`,
      '--allocate-node-cidrs=false',
      '--leader-elect=false',
    ]);
    const scheduler = ['bin/kube-scheduler', ...ownKubeconfig('kube-scheduler')];
    this.scheduler.define([...this.prefix, ...scheduler, '--leader-elect=false']);
  }
}

function ownKubeconfig(name: string): readonly string[] {
  return ['', 'authentication-', 'authorization-'].map(
    (which) => `--${which}kubeconfig=${name}.kubeconfig`,
  );
}
