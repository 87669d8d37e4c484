// `signet dev` as a child process over a directory of manifests that tests write, kill and restart.

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { SpiffeWorkloadAPI } from '../../../src/transport/gen/spiffe/workload_pb.ts';
import {
  type CallOptions,
  createGrpcClient,
  type GrpcClient,
} from '../../../src/transport/grpc/grpc-client.ts';

const MAIN = join(import.meta.dirname, '../../../src/main.ts');
const PATIENCE_MS = 60_000;

export type WorkloadClient = GrpcClient<typeof SpiffeWorkloadAPI>;
/** A line that the process printed, and when. */
export type Line = { readonly text: string; readonly at: number };

export class DevProcess {
  readonly root = mkdtempSync(join(tmpdir(), 'signet-dev-'));
  readonly manifests = join(this.root, 'manifests');
  /** Everything printed by the current process, standard output and error together. */
  lines: Line[] = [];
  runDir = join(this.root, 'run');
  #child: ChildProcess | undefined;
  #wake = Promise.withResolvers<void>();
  readonly #clients: { close(): void }[] = [];
  readonly #cancel = new AbortController();

  constructor(files: Readonly<Record<string, string>> = {}) {
    mkdirSync(this.manifests);
    for (const [name, text] of Object.entries(files)) this.write(name, text);
  }

  /** Replaces a file at once, as an editor does that renames. */
  write(name: string, text: string): void {
    const draft = join(this.root, 'draft');
    writeFileSync(draft, text);
    renameSync(draft, join(this.manifests, name));
  }

  remove(name: string): void {
    rmSync(join(this.manifests, name));
  }

  /** Starts the process without waiting; `within` is a command that it is started by. */
  spawn(args: readonly string[] = [], within: readonly string[] = []): ChildProcess {
    this.lines = [];
    const [command, ...rest] = [
      ...within,
      process.execPath,
      '--conditions=source',
      MAIN,
      'dev',
      this.manifests,
      '--run-dir',
      this.runDir,
      ...args,
    ];
    const child = spawn(command ?? '', rest, { stdio: ['ignore', 'pipe', 'pipe'] });
    this.#child = child;
    for (const stream of [child.stdout, child.stderr]) {
      createInterface(stream).on('line', (text) => {
        if (this.#child !== child) return;
        this.lines.push({ text, at: performance.now() });
        this.#look();
      });
    }
    child.once('exit', () => this.#look());
    return child;
  }

  /** Starts the process and waits until it has printed its first line. */
  async start(args: readonly string[] = [], within: readonly string[] = []): Promise<void> {
    this.spawn(args, within);
    await this.line(/^trust domain /);
  }

  /** The first line that matches among those printed from number `from` on. */
  async line(pattern: RegExp, from = 0): Promise<Line> {
    const child = this.#child;
    const end = performance.now() + PATIENCE_MS;
    const timer = setTimeout(() => this.#look(), PATIENCE_MS + 1);
    try {
      while (performance.now() < end) {
        const changed = this.#wake.promise;
        const found = this.lines.slice(from).find(({ text }) => pattern.test(text));
        if (found !== undefined) return found;
        if (child?.exitCode !== null || child.signalCode !== null) break;
        await changed;
      }
      const seen = this.lines.map(({ text }) => text).join('\n');
      throw new Error(`no line ${String(pattern)} among:\n${seen}`);
    } finally {
      clearTimeout(timer);
    }
  }

  /** What the line of a pod says: SPIFFE IDs, or why there are none, and the socket's path. */
  async pod(name: string, from = 0): Promise<{ says: string; socket: string }> {
    const { text } = await this.line(new RegExp(`^${name}  .*SPIFFE_ENDPOINT_SOCKET=`), from);
    const [, says = '', address = ''] = text.split('  ');
    return { says, socket: address.replace('SPIFFE_ENDPOINT_SOCKET=unix://', '') };
  }

  workload(socket: string): WorkloadClient {
    const client = createGrpcClient(SpiffeWorkloadAPI, { target: `unix:${socket}` });
    this.#clients.push(client);
    return client;
  }

  /** Call options of a well-behaved client; the call ends with this object. */
  get call(): CallOptions {
    return { metadata: { 'workload.spiffe.io': 'true' }, signal: this.#cancel.signal };
  }

  /** Ends the process and waits for its end; returns its exit code, or null after a signal. */
  async end(signal: NodeJS.Signals = 'SIGTERM'): Promise<number | null> {
    const child = this.#child;
    if (child === undefined) return null;
    const isRunning = child.exitCode === null && child.signalCode === null;
    if (isRunning) {
      const exit = once(child, 'exit');
      child.kill(signal);
      await exit;
    }
    return child.exitCode;
  }

  async close(): Promise<void> {
    this.#cancel.abort();
    for (const client of this.#clients) client.close();
    await this.end('SIGKILL');
    rmSync(this.root, { recursive: true, force: true });
  }

  #look(): void {
    this.#wake.resolve();
    this.#wake = Promise.withResolvers();
  }
}

/** A pod that asks for injection. */
export function podManifest(name: string, more: { labels?: object; annotations?: object } = {}) {
  return JSON.stringify({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      name,
      namespace: 'shop',
      labels: { 'signet.dev/inject': 'true', ...more.labels },
      annotations: more.annotations ?? {},
    },
    spec: { serviceAccountName: 'default', containers: [{ name: 'c', image: 'i' }] },
  });
}

/** A policy for every pod of namespace `shop`. */
export function policyManifest(name: string, spec: object) {
  return JSON.stringify({
    apiVersion: 'spire.spiffe.io/v1alpha1',
    kind: 'ClusterSPIFFEID',
    metadata: { name },
    spec: {
      namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': 'shop' } },
      ...spec,
    },
  });
}
