// Signet in the cluster, as an operator installs it: the chart, by helm.

import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Cluster } from './cluster.ts';
import { ROOT } from './images.ts';

export const CHART = join(ROOT, 'charts/signet');
export const SIGNET_NAMESPACE = 'signet';
export const TRUST_DOMAIN = 'cluster.test';

export function hasChart(): boolean {
  return existsSync(join(CHART, 'Chart.yaml'));
}

/** Resolves when everything of it is ready. */
export async function installSignet(cluster: Cluster, values: object = {}): Promise<void> {
  await cluster.helm.install({
    name: 'signet',
    namespace: SIGNET_NAMESPACE,
    chart: CHART,
    values: { trustDomain: TRUST_DOMAIN, ...values },
    args: ['--wait', '--timeout', '120s'],
  });
}
