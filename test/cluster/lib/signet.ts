// Signet in the cluster, as an operator installs it: the chart, by helm.

import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Cluster } from './cluster.ts';
import { until } from './commands.ts';
import { ROOT } from './images.ts';
import { ApiError } from './kube-api.ts';

export const CHART = join(ROOT, 'charts/signet');
export const SIGNET_NAMESPACE = 'signet';
export const TRUST_DOMAIN = 'cluster.test';

export function hasChart(): boolean {
  return existsSync(join(CHART, 'Chart.yaml'));
}

/** Resolves when everything of it is ready, and policies are accepted. */
export async function installSignet(cluster: Cluster, values: object = {}): Promise<void> {
  await cluster.helm.install({
    name: 'signet',
    namespace: SIGNET_NAMESPACE,
    chart: CHART,
    values: { trustDomain: TRUST_DOMAIN, ...values },
    args: ['--wait', '--timeout', '120s'],
  });
  await until('the webhook to be trusted', async () => await acceptsPolicies(cluster), {
    everyMs: 100,
  });
}

/** The API server learns the webhook's authority a little after the controller is ready. */
async function acceptsPolicies({ api }: Cluster): Promise<true | undefined> {
  const policy = {
    apiVersion: 'spire.spiffe.io/v1alpha1',
    kind: 'ClusterSPIFFEID',
    metadata: { name: 'trial' },
    spec: { spiffeIDTemplate: 'spiffe://{{ .TrustDomain }}/trial' },
  };
  try {
    const path = '/apis/spire.spiffe.io/v1alpha1/clusterspiffeids?dryRun=All';
    await api.text({ method: 'POST', path, body: policy });
    return true;
  } catch (thrown) {
    if (thrown instanceof ApiError && thrown.status === 500) return undefined;
    throw thrown;
  }
}
