// What to read after a failure: every component's log, the cluster's objects (no Secrets), and the
// logs of Signet's pods.

import { cpSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Cluster } from './cluster.ts';

const QUERIES: Readonly<Record<string, readonly string[]>> = {
  'pods.txt': ['get', 'pods', '-A', '-o', 'wide'],
  'pods.yaml': ['get', 'pods', '-A', '-o', 'yaml'],
  'nodes.yaml': ['get', 'nodes,csinodes,csidrivers', '-o', 'yaml'],
  'workloads.yaml': ['get', 'deployments,daemonsets,jobs,leases,configmaps', '-A', '-o', 'yaml'],
  'events.txt': ['get', 'events', '-A', '--sort-by=.lastTimestamp'],
  'policies.yaml': ['get', 'clusterspiffeids,identityrestrictions', '-o', 'yaml'],
};
const SIGNET_LABEL = 'app.kubernetes.io/name=signet';

export async function dumpState(cluster: Cluster, target: string): Promise<void> {
  mkdirSync(target, { recursive: true });
  cpSync(join(cluster.directory, 'log'), join(target, 'components'), { recursive: true });
  for (const [file, query] of Object.entries(QUERIES)) {
    const { stdout, stderr } = await cluster.kubectl.attempt(query, { timeoutMs: 20_000 });
    writeFileSync(join(target, file), stdout + stderr);
  }
  const { stdout } = await cluster.kubectl.attempt([
    'get',
    'pods',
    '-A',
    '-l',
    SIGNET_LABEL,
    '-o',
    'jsonpath={range .items[*]}{.metadata.namespace}/{.metadata.name}{"\\n"}{end}',
  ]);
  for (const pod of stdout.trim().split('\n')) {
    const [namespace, name] = pod.split('/');
    if (namespace === undefined || name === undefined) continue;
    for (const which of ['--previous=false', '--previous=true']) {
      const logs = ['logs', '-n', namespace, name, '--all-containers', which];
      const { status, stdout } = await cluster.kubectl.attempt(logs, { timeoutMs: 20_000 });
      const suffix = which.endsWith('true') ? '.previous' : '';
      if (status === 0) writeFileSync(join(target, `${name}${suffix}.log`), stdout);
    }
  }
}
