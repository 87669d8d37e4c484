// Ends a cluster: what its records name, then what is in its namespaces and cgroups, whoever started
// it there. Works after a crash, and never touches a process it cannot attribute.

import { existsSync, readdirSync, readFileSync, rmdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { attempt, run, until } from './commands.ts';
import { Component } from './component.ts';
import { directoryOf } from './layout.ts';

const CGROUPS = '/sys/fs/cgroup';
const GRACE_MS = 3000;

/** Resolves when nothing of the cluster runs; its logs stay until the next start. */
export async function tearDown(cluster: string): Promise<void> {
  const directory = directoryOf(cluster);
  const components = Component.all(directory);
  const holders = components.filter(({ name }) => name.endsWith('-holder'));
  const others = components.filter((component) => !holders.includes(component));
  // Kubelets first: they would start again what ends.
  await stopAll(
    others.filter(({ name }) => name.endsWith('-kubelet')),
    'SIGKILL',
  );
  await stopAll(others, 'SIGTERM');
  killRemains(cluster, directory);
  await stopAll(holders, 'SIGKILL');
  for (const name of await namespacesOf(cluster)) {
    for (const pid of (await run(['ip', 'netns', 'pids', name])).split('\n')) kill(Number(pid));
    await attempt(['ip', 'netns', 'del', name]);
  }
  await until('the cluster to end', () => {
    killRemains(cluster, directory);
    return removeCgroups(cluster) ? true : undefined;
  });
  for (const component of components) component.forget();
  rmSync(join(directory, 'run'), { recursive: true, force: true });
}

async function stopAll(
  components: readonly Component[],
  signal: 'SIGTERM' | 'SIGKILL',
): Promise<void> {
  await Promise.all(components.map((component) => component.stop(signal, GRACE_MS)));
}

async function namespacesOf(cluster: string): Promise<readonly string[]> {
  const names = (await run(['ip', 'netns', 'list'])).split('\n');
  return names.map((line) => line.split(' ')[0] ?? '').filter((name) => isOwn(cluster, name));
}

function isOwn(cluster: string, name: string): boolean {
  return name === `${cluster}-cp` || new RegExp(`^${cluster}-node\\d+$`).test(name);
}

/** Pods outlive their shims, and shims outlive containerd. */
function killRemains(cluster: string, directory: string): void {
  for (const entry of readdirSync('/proc')) {
    if (!/^\d+$/.test(entry)) continue;
    if (inOwnCgroup(cluster, entry) || isOwnShim(directory, entry)) kill(Number(entry));
  }
}

function inOwnCgroup(cluster: string, pid: string): boolean {
  return read(`/proc/${pid}/cgroup`)
    .split('\n')
    .some((line) => isOwn(cluster, line.split(':')[2]?.split('/')[1] ?? ''));
}

function isOwnShim(directory: string, pid: string): boolean {
  const argv = read(`/proc/${pid}/cmdline`).split('\0');
  const address = argv[argv.indexOf('-address') + 1] ?? '';
  return (argv[0] ?? '').includes('containerd-shim') && address.startsWith(`${directory}/`);
}

/** False while something still runs there. */
function removeCgroups(cluster: string): boolean {
  const roots = [CGROUPS, ...readdirSync(CGROUPS).map((controller) => join(CGROUPS, controller))];
  const own = roots.flatMap((root) =>
    children(root)
      .filter((name) => isOwn(cluster, name))
      .map((name) => join(root, name)),
  );
  for (const cgroup of own) removeTree(cgroup);
  return own.every((cgroup) => !existsSync(cgroup));
}

function removeTree(cgroup: string): void {
  for (const child of children(cgroup)) removeTree(join(cgroup, child));
  try {
    rmdirSync(cgroup);
  } catch {
    // Still in use: the caller looks again.
  }
}

function children(directory: string): readonly string[] {
  try {
    const entries = readdirSync(directory, { withFileTypes: true });
    return entries.filter((entry) => entry.isDirectory()).map(({ name }) => name);
  } catch {
    return [];
  }
}

function read(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}

function kill(pid: number): void {
  if (pid <= 1) return;
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It has just ended.
  }
}
