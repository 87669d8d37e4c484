// Plays the kubelet for dev mode: finds the plugin through its registration socket, publishes the
// volumes of pods as the kubelet does, and unpublishes them when a pod is gone. It talks to the
// plugin over its real sockets only.

import { chmodSync, chownSync, existsSync, mkdirSync, readdirSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { CodedError } from '../base/errors.ts';
import { readFileRequest } from '../base/file-attributes.ts';
import { ephemeralVolumeId } from '../node/volume/target-path.ts';
import { Node } from '../transport/gen/csi/csi_pb.ts';
import { Registration } from '../transport/gen/kubelet/plugin_registration_pb.ts';
import { createGrpcClient, type GrpcClient } from '../transport/grpc/grpc-client.ts';

/** A pod that mounts our driver, as far as the kubelet tells the driver about it. */
export type RunnablePod = {
  readonly uid: string;
  readonly namespace: string;
  readonly name: string;
  readonly serviceAccount: string;
  readonly volumeName: string;
  readonly attributes: Readonly<Record<string, string>>;
};

export type PodRunnerOptions = {
  readonly kubeletRoot: string;
  readonly driverName: string;
};

const SINGLE_NODE_WRITER = 1;
const CALL_TIMEOUT_MS = 120_000;
const VOLUMES = join('volumes', 'kubernetes.io~csi');
const EMPTY_DIRS = join('volumes', 'kubernetes.io~empty-dir');

export class PodRunner {
  readonly #kubeletRoot: string;
  readonly #driverName: string;
  #node: GrpcClient<typeof Node> | undefined;

  constructor(options: PodRunnerOptions) {
    this.#kubeletRoot = options.kubeletRoot;
    this.#driverName = options.driverName;
  }

  /** Registers the plugin: asks who it is, calls its CSI socket, and tells it the outcome. */
  async register(): Promise<void> {
    const path = join(this.#kubeletRoot, 'plugins_registry', `${this.#driverName}-reg.sock`);
    const registration = createGrpcClient(Registration, { target: `unix:${path}` });
    const info = await registration.getInfo({}, { timeoutMs: 1000 });
    if (info.type !== 'CSIPlugin' || info.name !== this.#driverName) {
      throw new CodedError('failed-precondition', `${path}: not the driver ${this.#driverName}`);
    }
    this.#node = createGrpcClient(Node, { target: `unix:${info.endpoint}` });
    await this.#node.nodeGetInfo({}, { timeoutMs: CALL_TIMEOUT_MS });
    await registration.notifyRegistrationStatus({ pluginRegistered: true });
    registration.close();
  }

  /**
   * Pods that an earlier run published, as their directories tell: enough to unpublish them, which is
   * all that is done with them.
   */
  leftBehind(): readonly RunnablePod[] {
    const pods = join(this.#kubeletRoot, 'pods');
    return namesIn(pods).flatMap((uid) =>
      namesIn(join(pods, uid, VOLUMES)).map((volumeName) => ({
        uid,
        namespace: '',
        name: '',
        serviceAccount: '',
        volumeName,
        attributes: {},
      })),
    );
  }

  /** Makes the directory that the volume's own goes into, and says where that will be. */
  prepare(pod: RunnablePod): string {
    const target = this.#targetOf(pod);
    mkdirSync(dirname(target), { recursive: true, mode: 0o750 });
    const files = readFileRequest(pod.attributes);
    if (files !== undefined) this.#makeEmptyDir(pod.uid, files.volume, files.group);
    return target;
  }

  // On whatever file system the run directory is: mounting memory takes a real kubelet.
  #makeEmptyDir(podUid: string, volumeName: string, group: number | undefined): void {
    const path = join(this.#kubeletRoot, 'pods', podUid, EMPTY_DIRS, volumeName);
    mkdirSync(path, { recursive: true, mode: 0o777 });
    chmodSync(path, 0o777);
    if (group === undefined || process.getuid?.() !== 0) return;
    chownSync(path, 0, group);
    chmodSync(path, 0o2777);
  }

  /** Publishes a pod's volume; returns its directory. */
  async publish(pod: RunnablePod): Promise<string> {
    const target = this.prepare(pod);
    await this.#client().nodePublishVolume(
      {
        volumeId: ephemeralVolumeId(pod.uid, pod.volumeName),
        targetPath: target,
        readonly: true,
        volumeCapability: {
          accessType: { case: 'mount', value: {} },
          accessMode: { mode: SINGLE_NODE_WRITER },
        },
        volumeContext: {
          ...pod.attributes,
          'csi.storage.k8s.io/pod.name': pod.name,
          'csi.storage.k8s.io/pod.namespace': pod.namespace,
          'csi.storage.k8s.io/pod.uid': pod.uid,
          'csi.storage.k8s.io/serviceAccount.name': pod.serviceAccount,
          'csi.storage.k8s.io/ephemeral': 'true',
        },
      },
      { timeoutMs: CALL_TIMEOUT_MS },
    );
    return target;
  }

  /** Unpublishes a pod's volume and removes the pod's directory, as the kubelet does. */
  async unpublish(pod: RunnablePod): Promise<void> {
    const target = this.#targetOf(pod);
    await this.#client().nodeUnpublishVolume(
      { volumeId: ephemeralVolumeId(pod.uid, pod.volumeName), targetPath: target },
      { timeoutMs: CALL_TIMEOUT_MS },
    );
    rmSync(join(this.#kubeletRoot, 'pods', pod.uid), { recursive: true, force: true });
  }

  close(): void {
    this.#node?.close();
  }

  #client(): GrpcClient<typeof Node> {
    if (this.#node === undefined) throw new TypeError('register first');
    return this.#node;
  }

  #targetOf(pod: RunnablePod): string {
    return join(this.#kubeletRoot, 'pods', pod.uid, VOLUMES, pod.volumeName, 'mount');
  }
}

function namesIn(directory: string): readonly string[] {
  return existsSync(directory) ? readdirSync(directory) : [];
}
