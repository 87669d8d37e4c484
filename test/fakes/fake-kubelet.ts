// A kubelet's directory tree and its calls, over the plugin's real CSI socket.

import { createHash, randomUUID } from 'node:crypto';
import { chmodSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { MessageInitShape } from '@bufbuild/protobuf';
import { Node, type NodePublishVolumeRequestSchema } from '../../src/transport/gen/csi/csi_pb.ts';
import { createGrpcClient, type GrpcClient } from '../../src/transport/grpc/grpc-client.ts';

export type PublishRequest = MessageInitShape<typeof NodePublishVolumeRequestSchema> & {
  volumeContext: Record<string, string>;
  targetPath: string;
  volumeId: string;
};

export class FakeKubelet {
  readonly root: string;
  readonly csiSocket: string;
  #client: GrpcClient<typeof Node> | undefined;

  constructor(root = mkdtempSync(join(tmpdir(), 'signet-kubelet-'))) {
    this.root = root;
    this.csiSocket = join(root, 'plugins/signet.dev/csi.spiffe.io/csi.sock');
    mkdirSync(join(root, 'pods'), { recursive: true });
    mkdirSync(join(root, 'plugins_registry'), { recursive: true });
  }

  get node(): GrpcClient<typeof Node> {
    this.#client ??= createGrpcClient(Node, { target: `unix:${this.csiSocket}` });
    return this.#client;
  }

  /** Dials anew at the next call, as the real one does for every call. */
  hangUp(): void {
    this.#client?.close();
    this.#client = undefined;
  }

  targetOf(podUid: string, volume = 'spiffe-workload-api'): string {
    return join(this.root, 'pods', podUid, 'volumes/kubernetes.io~csi', volume, 'mount');
  }

  /** A valid publish request for a pod, as the kubelet makes it, with its parent directory made. */
  request(
    pod: { uid?: string; name?: string; namespace?: string; volume?: string } = {},
  ): PublishRequest {
    const uid = pod.uid ?? randomUUID();
    const volume = pod.volume ?? 'spiffe-workload-api';
    const targetPath = this.targetOf(uid, volume);
    mkdirSync(dirname(targetPath), { recursive: true });
    return {
      volumeId: `csi-${createHash('sha256').update(`${uid}${volume}`).digest('hex')}`,
      targetPath,
      readonly: true,
      volumeCapability: {
        accessType: { case: 'mount', value: {} },
        accessMode: { mode: 1 },
      },
      volumeContext: {
        'csi.storage.k8s.io/pod.name': pod.name ?? 'web-1',
        'csi.storage.k8s.io/pod.namespace': pod.namespace ?? 'shop',
        'csi.storage.k8s.io/pod.uid': uid,
        'csi.storage.k8s.io/serviceAccount.name': 'default',
        'csi.storage.k8s.io/ephemeral': 'true',
      },
    };
  }

  /** Makes a pod's `emptyDir` and says where; what is mounted there is the test's business. */
  emptyDir(podUid: string, volume = 'signet-files'): string {
    const path = join(this.root, 'pods', podUid, 'volumes/kubernetes.io~empty-dir', volume);
    mkdirSync(path, { recursive: true });
    chmodSync(path, 0o777);
    return path;
  }

  close(): void {
    this.hangUp();
    rmSync(this.root, { recursive: true, force: true });
  }
}

/** What a server on a Unix socket says first, or the error's code. Long paths go by descriptor. */
export async function greeting(path: string): Promise<string> {
  return await new Promise((resolve) => {
    const socket = connect(path);
    let text = '';
    socket.on('data', (bytes) => {
      text += bytes.toString();
    });
    socket.on('end', () => {
      socket.destroy();
      resolve(text);
    });
    socket.on('error', (error) => resolve('code' in error ? String(error.code) : error.message));
  });
}
