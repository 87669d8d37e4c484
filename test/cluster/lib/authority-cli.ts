// `signet` with an operator's kubeconfig, and which root a pod's SVID is under.

import { X509Certificate } from 'node:crypto';
import { closeSync, openSync } from 'node:fs';
import { join } from 'node:path';
import { WorkloadApiClient } from '../../../client/src/index.ts';
import type { Cluster } from './cluster.ts';
import { attempt, type Output } from './commands.ts';
import { volumeOf } from './faults.ts';
import { ROOT } from './images.ts';
import type { Pod } from './kube-object.ts';
import { SIGNET_NAMESPACE } from './signet.ts';

export type Shown = {
  readonly sequence: number;
  readonly authorities: readonly {
    readonly kind: string;
    readonly id: string;
    readonly phase: string;
    readonly inBundle: boolean;
    readonly order?: string;
  }[];
};

/** The program of this working tree. */
export const SIGNET = [process.execPath, '--conditions=source', join(ROOT, 'src/main.ts')] as const;

export async function authority(cluster: Cluster, ...args: readonly string[]): Promise<Output> {
  return await signet(cluster, 'authority', ...args);
}

export async function signet(cluster: Cluster, ...args: readonly string[]): Promise<Output> {
  const { directory, prefix } = cluster.controlPlane;
  const where = [
    `--kubeconfig=${join(directory, 'admin.kubeconfig')}`,
    `--namespace=${SIGNET_NAMESPACE}`,
  ];
  return await attempt([...prefix, ...SIGNET, ...args, ...where], { cwd: ROOT });
}

export async function authorities(cluster: Cluster): Promise<Shown> {
  const { status, stdout, stderr } = await authority(cluster, 'show', '--output=json');
  if (status !== 0) throw new Error(stderr);
  return JSON.parse(stdout) as Shown;
}

export type Held = {
  readonly id: string;
  /** Fingerprint of the root that the SVID's intermediate is under; undefined when none of the bundle. */
  readonly root: string | undefined;
  /** Fingerprints of all roots of the bundle. */
  readonly roots: readonly string[];
};

/** What a pod's socket gives now, asked from its node. */
export async function heldBy(cluster: Cluster, pod: Pod): Promise<Held> {
  const node = cluster.node(pod.spec.nodeName ?? '');
  const volume = volumeOf(node, pod);
  if (volume === undefined) throw new Error(`${pod.metadata.name ?? ''} has no volume`);
  // By a descriptor: the whole path is longer than a socket's may be.
  const directory = openSync(volume, 'r');
  const path = `/proc/${process.pid}/fd/${directory}/spire-agent.sock`;
  const client = new WorkloadApiClient({ address: `unix://${path}`, timeoutMs: 5000 });
  try {
    const { svids, bundles } = await client.fetchX509Context();
    const [{ spiffeId, chain }] = svids;
    const [bundle] = bundles.values();
    const roots = (bundle?.authorities ?? []).map((der) => new X509Certificate(der));
    const top = new X509Certificate(chain.at(-1) ?? new Uint8Array());
    const root = roots.find((root) => top.checkIssued(root) && top.verify(root.publicKey));
    return {
      id: spiffeId,
      root: root?.fingerprint256,
      roots: roots.map(({ fingerprint256 }) => fingerprint256),
    };
  } finally {
    client.close();
    closeSync(directory);
  }
}
