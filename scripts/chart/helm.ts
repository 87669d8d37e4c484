// helm, where it is there: on the PATH, or in the cache of the cluster tests.

import { execFileSync } from 'node:child_process';
import { accessSync, constants, globSync } from 'node:fs';
import { homedir } from 'node:os';
import { delimiter, join } from 'node:path';

const ROOT = join(import.meta.dirname, '../..');
const CHART = join(ROOT, 'charts/signet');
/** Of the objects that are rendered without an API server to ask. */
const KUBERNETES = '1.36.0';
const HELM_MS = 30_000;

export function findHelm(): string | undefined {
  const onPath = (process.env['PATH'] ?? '').split(delimiter).map((each) => join(each, 'helm'));
  const cache = process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache');
  const cached = globSync('signet-cluster/helm-*/helm', { cwd: cache });
  return [...onPath, ...cached.map((each) => join(cache, each))].find(isExecutable);
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** Values are Helm's `--set` texts. Throws what helm writes on standard error. */
export function helmTemplate(
  helm: string,
  values: readonly string[],
  further: readonly string[] = [],
): string {
  const set = values.flatMap((value) => ['--set', value]);
  const args = ['template', 'signet', CHART, '--namespace=signet', `--kube-version=${KUBERNETES}`];
  return helmRun(helm, [...args, ...set, ...further]);
}

export function helmLint(helm: string, values: readonly string[]): string {
  return helmRun(helm, ['lint', '--strict', CHART, ...values.flatMap((each) => ['--set', each])]);
}

function helmRun(helm: string, args: readonly string[]): string {
  // No kubeconfig: nothing here may ask a cluster.
  const env = { PATH: process.env['PATH'] ?? '', HOME: '/nonexistent', KUBECONFIG: '/dev/null' };
  const stdio: ['ignore', 'pipe', 'pipe'] = ['ignore', 'pipe', 'pipe'];
  const maxBuffer = 16 * 1024 * 1024;
  return execFileSync(helm, args, { encoding: 'utf8', env, stdio, maxBuffer, timeout: HELM_MS });
}
