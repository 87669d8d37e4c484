// The Workload API's server beside a grpc-go server of the same service that answers the same
// messages, built and run here: each on one core, the load on the other, in turns. The limit of each
// line is grpc-go's figure.

import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buildSync } from 'esbuild';
import { type BenchResult, benchResult, percentile } from './bench-result.ts';
import { PinnedProcess } from './workload-api/pinned-process.ts';

const SERVER_CORE = 0;
const LOAD_CORE = 1;
const FOLDER = join(import.meta.dirname, 'workload-api');
/** Both have run for long before they are measured; what is compiled on the way is compiled then. */
const WARM_UP_ROUNDS = 4;
const ROUNDS = 7;
const ROUND_SECONDS = 1.5;
/** A pod's socket takes 16 connections. */
const SOCKETS = 64;
const IDLE_STREAMS = 960;
const MEMORY_ROUNDS = 3;

/** Some packages are CommonJS, and ask for Node's own modules as such. */
const REQUIRE = "import { createRequire } from 'node:module'; const require = createRequire('/');";

type Side = { readonly name: 'signet' | 'grpc-go'; readonly sockets: readonly string[] };
type Load = {
  readonly calls: number;
  readonly seconds: number;
  readonly p50us: number;
  readonly p99us: number;
};
type Figures = Readonly<Record<Side['name'], readonly number[]>>;

export async function run(): Promise<readonly BenchResult[]> {
  const directory = mkdtempSync(join(tmpdir(), 'signet-bench-'));
  const bench = new WorkloadApiBench(directory);
  try {
    return await bench.run();
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

class WorkloadApiBench {
  readonly #directory: string;
  readonly #go: string;
  readonly #signet: string;
  readonly #sides: readonly [Side, Side];

  constructor(directory: string) {
    this.#directory = directory;
    this.#go = join(directory, 'go-side');
    this.#signet = join(directory, 'signet-side.mjs');
    this.#sides = [
      {
        name: 'signet',
        sockets: Array.from({ length: SOCKETS }, (_, index) => join(directory, `s${index}`)),
      },
      { name: 'grpc-go', sockets: [join(directory, 'go')] },
    ];
  }

  async run(): Promise<readonly BenchResult[]> {
    const env = { ...process.env, GOTOOLCHAIN: 'local', GOWORK: 'off' };
    // As it ships: one file, no sources around it.
    buildSync({
      entryPoints: [join(FOLDER, 'serve.ts')],
      outfile: this.#signet,
      bundle: true,
      platform: 'node',
      format: 'esm',
      target: 'node24',
      conditions: ['source'],
      banner: { js: REQUIRE },
    });
    execFileSync('go', ['build', '-o', this.#go, '.'], { cwd: FOLDER, env });
    await this.#record();
    return [
      ...(await this.#rates('serial', 'one call after the other')),
      ...(await this.#rates('flight', '64 calls in flight')),
      ...(await this.#rates('client', '64 calls in flight of a grpc-go client')),
      ...(await this.#rates('connect', 'new connection to first SVID')),
      ...(await this.#memory('streams', 'idle connection and stream')),
      ...(await this.#memory('shared', 'idle stream of a shared connection')),
    ];
  }

  /** What Signet answers is what grpc-go is to answer. */
  async #record(): Promise<void> {
    const [signet] = this.#sides;
    const server = await this.#start(signet);
    execFileSync(this.#go, ['record', signet.sockets[0] ?? '', ...this.#files]);
    await server.stop();
  }

  async #rates(mode: string, title: string): Promise<readonly BenchResult[]> {
    const rates = { signet: [] as number[], 'grpc-go': [] as number[] };
    const tails = { signet: [] as number[], 'grpc-go': [] as number[] };
    const costs = { signet: [] as number[], 'grpc-go': [] as number[] };
    const servers = new Map<Side, PinnedProcess>();
    for (const side of this.#sides) servers.set(side, await this.#start(side));
    for (let round = -WARM_UP_ROUNDS; round < ROUNDS; round += 1) {
      for (const [side, server] of servers) {
        const before = server.cpuSeconds();
        // Calls one after the other are too few to warm up with.
        const isWarming = round < 0 && mode === 'serial';
        const { calls, seconds, p99us } = await this.#load(isWarming ? 'flight' : mode, side);
        if (round < 0) continue;
        rates[side.name].push(calls / seconds);
        tails[side.name].push(p99us);
        costs[side.name].push(((server.cpuSeconds() - before) * 1e6) / calls);
      }
    }
    for (const server of servers.values()) await server.stop();
    return [
      paired(title, 'calls/s', rates),
      paired(`${title}, p99`, 'us', tails),
      paired(`${title}, processor time of the server`, 'us', costs),
    ];
  }

  async #memory(mode: string, title: string): Promise<readonly BenchResult[]> {
    const each = { signet: [] as number[], 'grpc-go': [] as number[] };
    const base = { signet: [] as number[], 'grpc-go': [] as number[] };
    const resident = { signet: [] as number[], 'grpc-go': [] as number[] };
    for (let round = 0; round < MEMORY_ROUNDS; round += 1) {
      for (const side of this.#sides) {
        const server = await this.#start(side);
        await this.#load('flight', side);
        const before = await server.memory();
        const holder = this.#holder(mode, side);
        await holder.line();
        const after = await server.memory();
        await holder.stop();
        await server.stop();
        each[side.name].push((after.anonymous - before.anonymous) / IDLE_STREAMS);
        base[side.name].push(before.anonymous / 1024);
        resident[side.name].push(after.resident / 1024);
      }
    }
    return [
      paired(`memory of an ${title}`, 'KiB', each),
      paired(`anonymous memory before, ${mode}`, 'MiB', base),
      paired(`resident memory with ${IDLE_STREAMS}, ${mode}`, 'MiB', resident),
    ];
  }

  async #start(side: Side): Promise<PinnedProcess> {
    const command =
      side.name === 'signet'
        ? [process.execPath, this.#signet, ...side.sockets]
        : [this.#go, 'serve', ...side.sockets, ...this.#files];
    for (const socket of side.sockets) rmSync(socket, { force: true });
    const server = new PinnedProcess(SERVER_CORE, command);
    await server.line();
    return server;
  }

  async #load(mode: string, { sockets }: Side): Promise<Load> {
    const process = new PinnedProcess(LOAD_CORE, [
      this.#go,
      'load',
      mode,
      String(ROUND_SECONDS),
      sockets.join(),
    ]);
    const line = await process.line();
    await process.stop();
    return JSON.parse(line) as Load;
  }

  #holder(mode: string, { sockets }: Side): PinnedProcess {
    return new PinnedProcess(LOAD_CORE, [
      this.#go,
      'load',
      mode,
      String(IDLE_STREAMS),
      sockets.join(),
    ]);
  }

  get #files(): readonly string[] {
    return ['x509', 'jwt'].map((name) => join(this.#directory, name));
  }
}

/** Medians; the limit is grpc-go's. */
function paired(name: string, unit: string, figures: Figures): BenchResult {
  const median = (side: Side['name']) => percentile(figures[side], 0.5);
  return benchResult({
    name: `workload API: ${name}`,
    value: median('signet'),
    unit,
    limit: median('grpc-go'),
  });
}

if (import.meta.main) for (const result of await run()) console.log(JSON.stringify(result));
