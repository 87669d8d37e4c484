// A node: containerd, kubelet and kube-proxy in network, mount and host-name namespaces of their own,
// where the node's own folders are /var/lib/kubelet, /var/log and /run: the usual paths, on every node.

import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { attempt, type Output, type RunOptions, run, until } from './commands.ts';
import { Component } from './component.ts';
import { writeKubeconfig } from './kubeconfig.ts';
import {
  CONTROL_PLANE_ADDRESS,
  cgroupOf,
  inNetwork,
  networkNamespace,
  nodeAddress,
  nodeName,
  POD_CIDR,
  podCidr,
} from './layout.ts';
import { cniConfig, containerdConfig, kubeletConfig } from './node-config.ts';
import type { Pki } from './pki.ts';

const CGROUPS = '/sys/fs/cgroup';
const IMPORT_MS = 120_000;

type Member = { readonly cluster: string; readonly directory: string; readonly index: number };

export class ClusterNode {
  readonly name: string;
  readonly address: string;
  /** The node's own files; `kubelet` below it is its /var/lib/kubelet. */
  readonly directory: string;
  readonly containerd: Component;
  readonly kubelet: Component;
  readonly proxy: Component;
  readonly #holder: Component;
  readonly #member: Member;

  constructor(member: Member) {
    this.#member = member;
    this.name = nodeName(member.index);
    this.address = nodeAddress(member.index);
    this.directory = join(member.directory, this.name);
    const component = (name: string): Component =>
      new Component(member.directory, `${this.name}-${name}`);
    this.#holder = component('holder');
    this.containerd = component('containerd');
    this.kubelet = component('kubelet');
    this.proxy = component('kube-proxy');
  }

  /** The container runtime, with the images; needs the control plane's network, not its server. */
  async prepare(pki: Pki, images: readonly string[]): Promise<void> {
    for (const part of ['cni', 'kubelet', 'containerd', 'log', 'manifests']) {
      mkdirSync(join(this.directory, part), { recursive: true });
    }
    await this.#joinNetwork();
    this.#createCgroups();
    await this.#hold();
    await this.#writeConfigs(pki);
    this.containerd.define([...this.#prefix(), 'containerd', '-c', this.#file('containerd.toml')]);
    await this.#hasRuntime();
    for (const image of images) await this.importImage(image);
  }

  /** Needs the API server. */
  start(): void {
    const { directory } = this.#member;
    this.kubelet.define([
      ...this.#prefix(),
      join(directory, 'bin/kubelet'),
      `--config=${this.#file('kubelet.json')}`,
      `--kubeconfig=${join(directory, `${this.name}.kubeconfig`)}`,
      `--hostname-override=${this.name}`,
      `--node-ip=${this.address}`,
    ]);
    this.proxy.define([
      ...this.#prefix(),
      join(directory, 'bin/kube-proxy'),
      `--kubeconfig=${join(directory, 'kube-proxy.kubeconfig')}`,
      `--cluster-cidr=${POD_CIDR}`,
      '--proxy-mode=iptables',
      `--hostname-override=${this.name}`,
      '--conntrack-max-per-core=0',
      '--conntrack-min=0',
    ]);
  }

  /** Resolves once it answers: a kubelet that starts before ends at once. */
  async restartContainerd(signal: 'SIGTERM' | 'SIGKILL' = 'SIGTERM'): Promise<void> {
    await this.containerd.restart(signal);
    await this.#hasRuntime();
  }

  /** Runs a command of this machine in the node's namespaces. */
  async exec(argv: readonly string[], options: RunOptions = {}): Promise<Output> {
    return await attempt([...this.#prefix(), ...argv], options);
  }

  async ctr(args: readonly string[]): Promise<Output> {
    const socket = join(this.directory, 'containerd/containerd.sock');
    return await this.exec(['ctr', '-a', socket, '-n', 'k8s.io', ...args], {
      timeoutMs: IMPORT_MS,
    });
  }

  async importImage(tar: string): Promise<void> {
    const { status, stderr } = await this.ctr(['image', 'import', tar]);
    if (status !== 0) throw new Error(`${this.name}: cannot load ${tar}: ${stderr}`);
  }

  async #hasRuntime(): Promise<void> {
    await until(`containerd of ${this.name}`, async () => {
      const { status } = await this.ctr(['version']);
      return status === 0 ? true : undefined;
    });
  }

  #file(name: string): string {
    return join(this.directory, name);
  }

  #prefix(): readonly string[] {
    const { pid } = this.#holder;
    if (pid === undefined) throw new Error(`${this.name} is not there any more`);
    return ['nsenter', '-t', String(pid), '-m', '-u', '-n', '--'];
  }

  async #joinNetwork(): Promise<void> {
    const { cluster, index } = this.#member;
    const own = networkNamespace(cluster, this.name);
    const controlPlane = networkNamespace(cluster, 'cp');
    const port = `port${index}`;
    await run(['ip', 'netns', 'add', own]);
    const veth = ['link', 'add', port, 'netns', controlPlane, 'type', 'veth'];
    await run(['ip', ...veth, 'peer', 'name', 'eth0', 'netns', own]);
    const bridge = [
      `ip link set ${port} master br0 up`,
      `ip route add ${podCidr(index)} via ${this.address}`,
    ];
    const inside = [
      'ip link set lo up',
      `ip addr add ${this.address}/24 dev eth0`,
      'ip link set eth0 up',
      // Pods of other nodes are reached through the control plane, which has a route to each.
      `ip route add default via ${CONTROL_PLANE_ADDRESS}`,
      'echo 1 >/proc/sys/net/ipv4/ip_forward',
    ];
    await run([...inNetwork(cluster, 'cp'), 'sh', '-c', bridge.join(' && ')]);
    await run([...inNetwork(cluster, this.name), 'sh', '-c', inside.join(' && ')]);
  }

  #createCgroups(): void {
    const name = cgroupOf(this.#member.cluster, this.name);
    if (existsSync(join(CGROUPS, 'cgroup.controllers'))) {
      const controllers = readFileSync(join(CGROUPS, 'cgroup.controllers'), 'utf8').trim();
      const enable = controllers.split(' ').map((controller) => `+${controller}`);
      writeFileSync(join(CGROUPS, 'cgroup.subtree_control'), enable.join(' '));
      mkdirSync(join(CGROUPS, name), { recursive: true });
      return;
    }
    for (const controller of readdirSync(CGROUPS)) {
      mkdirSync(join(CGROUPS, controller, name), { recursive: true });
    }
    // Of version 1, where these start empty.
    for (const file of ['cpuset.cpus', 'cpuset.mems']) {
      const value = readFileSync(join(CGROUPS, 'cpuset', file));
      writeFileSync(join(CGROUPS, 'cpuset', name, file), value);
    }
  }

  /** One process keeps the namespaces; the others enter them. */
  async #hold(): Promise<void> {
    const { cluster } = this.#member;
    const mark = this.#file('held');
    mkdirSync('/var/lib/kubelet', { recursive: true });
    const script = [
      'set -e',
      `hostname ${this.name}`,
      'mount --make-rprivate /',
      'mount -t tmpfs -o mode=755 tmpfs /run',
      'mkdir -p /run/netns',
      `mount --bind ${this.#file('log')} /var/log`,
      `mount --bind ${this.#file('kubelet')} /var/lib/kubelet`,
      'mount --make-rshared /var/lib/kubelet',
      `touch ${mark}`,
      'exec sleep infinity',
    ].join('\n');
    const unshare = ['unshare', '-m', '-u', '--propagation', 'private', 'sh', '-c', script];
    this.#holder.define([...inNetwork(cluster, this.name), ...unshare]);
    await until(`${this.name}'s namespaces`, () => {
      if (this.#holder.pid === undefined) throw new Error(this.#holder.tail());
      return existsSync(mark) ? true : undefined;
    });
    rmSync(mark);
  }

  async #writeConfigs(pki: Pki): Promise<void> {
    const { cluster, directory, index } = this.#member;
    const { name, address } = this;
    const subject = `O=system:nodes, CN=system:node:${name}`;
    await pki.leaf({ name, subject, dns: [name], addresses: [address] });
    writeKubeconfig(directory, name);
    const kubelet = kubeletConfig({ clusterDirectory: directory, name, address });
    const facts = { ...kubelet, cgroupRoot: `/${cgroupOf(cluster, name)}` };
    writeFileSync(this.#file('resolv.conf'), 'search .\n');
    writeFileSync(this.#file('kubelet.json'), JSON.stringify(facts, undefined, 1));
    writeFileSync(this.#file('containerd.toml'), containerdConfig(this.directory));
    const cni = cniConfig(this.directory, podCidr(index));
    writeFileSync(join(this.directory, 'cni/10-pods.conflist'), JSON.stringify(cni));
  }
}
