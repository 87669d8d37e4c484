// Where everything of a cluster is: folders, addresses and names. Each cluster has network namespaces
// of its own, so addresses are the same in all of them.

import { createHash } from 'node:crypto';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const ROOT = join(import.meta.dirname, '../../..');
const NODE_NETWORK = '172.31.77';
const POD_NETWORK = '10.244';

export const CONTROL_PLANE_ADDRESS = `${NODE_NETWORK}.1`;
export const POD_CIDR = `${POD_NETWORK}.0.0/16`;
export const SERVICE_CIDR = '10.96.0.0/16';
export const API_SERVICE_ADDRESS = '10.96.0.1';
export const DNS_SERVICE_ADDRESS = '10.96.0.10';
export const MAX_NODES = 64;

/** One for each working tree, so that two of them do not meet. */
export const DEFAULT_CLUSTER = `sig${createHash('sha256').update(ROOT).digest('hex').slice(0, 5)}`;

/** Of any user: a cluster is root's. */
export function directoryOf(cluster: string): string {
  return join(tmpdir(), 'signet-cluster', cluster);
}

export function nodeName(index: number): string {
  return `node${index}`;
}

export function nodeAddress(index: number): string {
  return `${NODE_NETWORK}.${10 + index}`;
}

/** A /23: room for the 250 pods that a kubelet takes. */
export function podCidr(index: number): string {
  return `${POD_NETWORK}.${2 * index}.0/23`;
}

export function networkNamespace(cluster: string, member: string): string {
  return `${cluster}-${member}`;
}

/** Below each cgroup controller. */
export function cgroupOf(cluster: string, node: string): string {
  return `${cluster}-${node}`;
}

/** Prefix of a command: in a network namespace, but not by `ip netns exec`, which hides cgroups. */
export function inNetwork(cluster: string, member: string): readonly string[] {
  return ['nsenter', `--net=/run/netns/${networkNamespace(cluster, member)}`, '--'];
}
