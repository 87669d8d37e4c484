// Fuzzes one target in a thread of its own and says what it found: something thrown that is no
// refusal, an input that takes over a second, memory that only grows.

import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { CurrentInput, type WorkerOrder, type WorkerReport } from './worker-order.ts';

export type FuzzOptions = {
  readonly target: string;
  readonly seed: number;
  readonly seconds: number;
  /** Ends after so many inputs, if that is sooner. */
  readonly executions?: number;
  /** A module that exports `TARGETS`; ours by default. */
  readonly module?: string;
  readonly limits?: FuzzLimits;
};

export type FuzzLimits = { readonly hangMs: number; readonly growthBytes: number };

export type FuzzFinding = {
  readonly kind: 'crash' | 'hang' | 'growth';
  readonly detail: string;
  /** The input at fault; of growth the last one, since all had their share in it. */
  readonly input: Uint8Array;
};

export type FuzzOutcome = Omit<WorkerReport, 'crash' | 'cpuMs'> & {
  readonly finding?: FuzzFinding;
};

const DEFAULT_LIMITS: FuzzLimits = { hangMs: 1000, growthBytes: 48 * 1024 * 1024 };
const LOOK_MS = 100;
/** Larger than any target takes. */
const SHARED_BYTES = 1024 * 1024;
/** How much longer than a hang a lone input may take on a busy machine before it is stopped. */
const PATIENCE = 10;
const THREAD_LIMITS = { maxOldGenerationSizeMb: 256, maxYoungGenerationSizeMb: 32 };
const NOTHING: WorkerReport = { executions: 0, corpus: 0, blocks: 0, growthBytes: 0, cpuMs: 0 };

export async function fuzz(options: FuzzOptions): Promise<FuzzOutcome> {
  const limits = options.limits ?? DEFAULT_LIMITS;
  const end = Date.now() + options.seconds * 1000;
  let seed = options.seed;
  let executions = 0;
  for (;;) {
    const ended = await runThread(
      orderOf(options, {
        seed,
        milliseconds: Math.max(end - Date.now(), 1),
        executions: (options.executions ?? Number.POSITIVE_INFINITY) - executions,
      }),
      limits.hangMs,
    );
    if (ended.kind === 'stuck') {
      // A busy machine looks like a hang: the input alone, by processor time, tells.
      const hang = await replay(ended.input, options);
      executions += ended.count;
      if (hang !== undefined) return { ...NOTHING, executions, finding: hang };
      seed += 1;
      continue;
    }
    const { crash, cpuMs: _, ...report } = ended.report;
    const { input } = ended;
    const total = { ...report, executions: executions + report.executions };
    if (crash !== undefined) return { ...total, finding: { kind: 'crash', detail: crash, input } };
    if (report.growthBytes <= limits.growthBytes) return total;
    const detail = `the heap grew by ${report.growthBytes} bytes`;
    return { ...total, finding: { kind: 'growth', detail, input } };
  }
}

/** What one input does, alone in its thread. */
export async function replay(
  input: Uint8Array,
  options: FuzzOptions,
): Promise<FuzzFinding | undefined> {
  const { hangMs } = options.limits ?? DEFAULT_LIMITS;
  const ended = await runThread(orderOf(options, { replay: input }), hangMs * PATIENCE);
  if (ended.kind === 'stuck') return { kind: 'hang', detail: 'never ended', input };
  const { crash, cpuMs } = ended.report;
  if (crash !== undefined) return { kind: 'crash', detail: crash, input };
  if (cpuMs > hangMs) return { kind: 'hang', detail: `took ${Math.round(cpuMs)} ms`, input };
  return undefined;
}

function orderOf(options: FuzzOptions, order: Partial<WorkerOrder>): WorkerOrder {
  return {
    module: options.module ?? join(import.meta.dirname, 'targets.ts'),
    target: options.target,
    seed: options.seed,
    milliseconds: 0,
    executions: 0,
    shared: CurrentInput.ofBytes(SHARED_BYTES).shared,
    ...order,
  };
}

type Ended =
  | { readonly kind: 'ended'; readonly report: WorkerReport; readonly input: Uint8Array }
  | { readonly kind: 'stuck'; readonly input: Uint8Array; readonly count: number };

async function runThread(order: WorkerOrder, hangMs: number): Promise<Ended> {
  const current = new CurrentInput(order.shared);
  const worker = new Worker(join(import.meta.dirname, 'fuzz-worker.ts'), {
    workerData: order,
    resourceLimits: THREAD_LIMITS,
    execArgv: ['--conditions=source'],
  });
  const { promise, resolve } = Promise.withResolvers<Ended>();
  let count = 0;
  let since = Date.now();
  const look = setInterval(() => {
    if (current.count !== count || count === 0) {
      count = current.count;
      since = Date.now();
    } else if (Date.now() - since > hangMs) {
      resolve({ kind: 'stuck', input: current.get(), count });
    }
  }, LOOK_MS);
  const finish = (report: WorkerReport) => resolve({ kind: 'ended', report, input: current.get() });
  worker.on('message', finish);
  // A thread that runs out of memory, or a rejection that nobody awaited.
  worker.on('error', (error) => finish({ ...NOTHING, crash: error.stack ?? error.message }));
  worker.on('exit', (code) => finish({ ...NOTHING, crash: `the thread ended with ${code}` }));
  try {
    return await promise;
  } finally {
    clearInterval(look);
    await worker.terminate();
  }
}
