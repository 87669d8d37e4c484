// What a test file starts from: the cluster that the runner brought up.

import { Cluster } from './cluster.ts';

export const CLUSTER_VARIABLE = 'SIGNET_CLUSTER';

export function attached(): Cluster {
  const name = process.env[CLUSTER_VARIABLE];
  if (name === undefined) throw new Error('started by npm run test:cluster, not by itself');
  return Cluster.attach(name);
}

let counter = 0;

/** A namespace of one's own, with a random end, so that a file can run twice against one cluster. */
export async function freshNamespace(
  cluster: Cluster,
  prefix: string,
  labels: Readonly<Record<string, string>> = {},
): Promise<string> {
  counter += 1;
  const name = `${prefix}-${Date.now().toString(36)}${counter}`;
  await cluster.createNamespace(name, labels);
  return name;
}
