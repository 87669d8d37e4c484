// `npm run test:cluster [-- FILES]`: one cluster, Signet installed in it, and the test files one after
// the other against it. `--keep` leaves it afterwards; `--attach` uses one that is there.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { CLUSTER_VARIABLE } from './lib/attached.ts';
import { Cluster } from './lib/cluster.ts';
import { dumpState } from './lib/dump-state.ts';
import { ensurePackages, shortage, unfit } from './lib/host.ts';
import { buildImages, ROOT } from './lib/images.ts';
import { DEFAULT_CLUSTER } from './lib/layout.ts';
import { printed, REPORT_VARIABLE, readFindings } from './lib/report.ts';
import { ensureServers } from './lib/server-programs.ts';
import { hasChart, installSignet } from './lib/signet.ts';
import { ensureTools } from './lib/tools.ts';

const NODES = 2;
const TEST_TIMEOUT_MS = 600_000;
/** In this order: what all need first, then what shakes the ground, what looks back, and the end. */
const GROUPS = ['ground', 'promises', 'shaking', 'rbac', 'uninstall'] as const;
const OUT = join(ROOT, 'dist/cluster');

type Step = { readonly step: string; readonly seconds: number };

const steps: Step[] = [];
const args = process.argv.slice(2);
const name = process.env[CLUSTER_VARIABLE] ?? DEFAULT_CLUSTER;
const why = unfit();
if (why !== undefined) {
  process.stdout.write(`${process.env['CI'] === 'true' ? '' : 'skipped: '}${why}\n`);
  process.exit(process.env['CI'] === 'true' ? 1 : 0);
}
process.exitCode = await main();

async function main(): Promise<number> {
  rmSync(OUT, { recursive: true, force: true });
  mkdirSync(OUT, { recursive: true });
  const cluster = args.includes('--attach') ? Cluster.attach(name) : await bringUp();
  let status = 1;
  try {
    if (!args.includes('--attach') && hasChart()) {
      await timed('install', async () => await installSignet(cluster));
    }
    status = await timed('tests', async () => await runTests());
  } finally {
    if (status !== 0) await dumpState(cluster, join(OUT, 'failure'));
    report(status);
    if (!args.includes('--keep') && !args.includes('--attach')) {
      await timed('down', async () => await cluster.down());
    }
  }
  return status;
}

async function bringUp(): Promise<Cluster> {
  const short = shortage();
  if (short !== undefined) process.stdout.write(`warning: ${short}\n`);
  await timed('packages', ensurePackages);
  const tools = await timed('tools', ensureTools);
  await timed('servers', ensureServers);
  const images = await timed('images', async () => await buildImages(tools.pause));
  // Ended by hand, a run still ends what it started.
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.once(signal, () => void Cluster.down(name).finally(() => process.exit(1)));
  }
  return await timed('up', async () => await Cluster.up({ name, nodes: NODES, tools, images }));
}

async function runTests(): Promise<number> {
  const wanted = args.filter((arg) => !arg.startsWith('--'));
  const files = readdirSync(import.meta.dirname)
    .filter((file) => file.endsWith('.test.ts'))
    .filter((file) => wanted.length === 0 || wanted.some((part) => file.includes(part)));
  if (files.length === 0) throw new Error(`no test file has ${wanted.join(' or ')} in its name`);
  let status = 0;
  // The runner sorts its files by name, so each group has a run of its own.
  for (const group of GROUPS) {
    const chosen = files.filter((file) => groupOf(file) === group);
    if (chosen.length > 0) status = (await runFiles(chosen)) || status;
  }
  return status;
}

async function runFiles(files: readonly string[]): Promise<number> {
  const flags = ['--conditions=source', '--test', '--test-concurrency=1'];
  const paths = files.map((file) => join(import.meta.dirname, file));
  const child = spawn(process.execPath, [...flags, `--test-timeout=${TEST_TIMEOUT_MS}`, ...paths], {
    stdio: 'inherit',
    env: {
      ...process.env,
      [CLUSTER_VARIABLE]: name,
      [REPORT_VARIABLE]: join(OUT, 'findings.jsonl'),
    },
  });
  const [code] = (await once(child, 'exit')) as [number | null];
  return code ?? 1;
}

function groupOf(file: string): (typeof GROUPS)[number] {
  if (file.startsWith('smoke')) return 'ground';
  if (file.startsWith('rbac')) return 'rbac';
  if (file.startsWith('uninstall')) return 'uninstall';
  return file.startsWith('handles') ? 'shaking' : 'promises';
}

function report(status: number): void {
  const findings = readFindings(join(OUT, 'findings.jsonl'));
  const passed = status === 0;
  writeFileSync(
    join(OUT, 'report.json'),
    `${JSON.stringify({ passed, nodes: NODES, steps, findings }, undefined, 1)}\n`,
  );
  process.stdout.write(printed(findings));
  if (!passed) process.stdout.write(`logs and state: ${join(OUT, 'failure')}\n`);
}

async function timed<T>(step: string, work: () => Promise<T>): Promise<T> {
  const begun = performance.now();
  try {
    return await work();
  } finally {
    const seconds = Math.round((performance.now() - begun) / 100) / 10;
    steps.push({ step, seconds });
    process.stdout.write(`${step}: ${seconds} s\n`);
  }
}
