// What the machine must have: Linux, root, and a few Debian packages, installed when they are missing.

import { existsSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { attempt, run } from './commands.ts';

/** Package and a file it brings. */
const PACKAGES: Readonly<Record<string, string>> = {
  containerd: '/usr/bin/containerd',
  runc: '/usr/sbin/runc',
  'containernetworking-plugins': '/usr/lib/cni/bridge',
  iptables: '/usr/sbin/iptables',
  iproute2: '/usr/sbin/ip',
  conntrack: '/usr/sbin/conntrack',
  gcc: '/usr/bin/gcc',
  'libc6-dev': '/usr/include/stdlib.h',
  'busybox-static': '/usr/bin/busybox',
  'util-linux': '/usr/bin/nsenter',
  openssl: '/usr/bin/openssl',
  curl: '/usr/bin/curl',
  postgresql: '/usr/lib/postgresql',
};
/** A cluster of two nodes was seen to take about 30, and each followed log takes one more. */
const INOTIFY_NEEDED = 50;
const INOTIFY_LIMIT = '/proc/sys/fs/inotify/max_user_instances';
const INSTALL_MS = 300_000;

/** Why no cluster can run here, or undefined. */
export function unfit(): string | undefined {
  if (process.platform !== 'linux') return 'the cluster tests need Linux';
  if (process.getuid?.() !== 0) return 'the cluster tests need root';
  return undefined;
}

/**
 * What makes tests fail for no fault of theirs, or undefined. The limit counts all of root's processes,
 * so other clusters use it up; it is the machine's, and not changed here.
 */
export function shortage(): string | undefined {
  const limit = Number(readFileSync(INOTIFY_LIMIT, 'utf8'));
  const free = limit - inotifyInstances();
  if (free >= INOTIFY_NEEDED) return undefined;
  return `only ${free} of ${limit} inotify instances are free (${INOTIFY_NEEDED} wanted): followed logs may end at once; end other clusters or raise fs.inotify.max_user_instances`;
}

function inotifyInstances(): number {
  const processes = readdirSync('/proc').filter((entry) => /^\d+$/.test(entry));
  return processes.flatMap(openFiles).filter((file) => file === 'anon_inode:inotify').length;
}

function openFiles(pid: string): readonly string[] {
  const folder = `/proc/${pid}/fd`;
  try {
    return readdirSync(folder).map((file) => readlinkSync(`${folder}/${file}`));
  } catch {
    // It has just ended.
    return [];
  }
}

export async function ensurePackages(): Promise<void> {
  const missing = Object.keys(PACKAGES).filter((name) => !existsSync(PACKAGES[name] ?? ''));
  if (missing.length === 0) return;
  if ((await attempt(['apt-get', '--version'])).status !== 0) {
    throw new Error(`please install: ${missing.join(', ')}`);
  }
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  await run(['apt-get', 'update', '-q'], { env, timeoutMs: INSTALL_MS });
  // Services of these packages would start on the machine itself; here each node starts its own.
  const install = ['apt-get', 'install', '-q', '-y', '--no-install-recommends', ...missing];
  await run(['env', 'RUNLEVEL=1', ...install], { env, timeoutMs: INSTALL_MS });
}
