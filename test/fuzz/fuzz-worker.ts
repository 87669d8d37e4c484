// The thread in which a target meets its inputs. Each input is put into shared memory before it
// runs, so that the main thread knows it even where it never ends.

import { getHeapStatistics, setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { parentPort, workerData } from 'node:worker_threads';
import { Coverage } from './coverage.ts';
import { type FuzzTarget, seedsOf } from './fuzz-target.ts';
import { type Material, mutate } from './mutate.ts';
import { Random } from './random.ts';
import { CurrentInput, type WorkerOrder, type WorkerReport } from './worker-order.ts';

/** Inputs between two questions for coverage, which cost as much as many inputs. */
const BATCH = 256;
const MAX_CORPUS = 4000;
const HEAP_CHECK_MS = 2000;
const STACK_LINES = 20;

class FuzzRun {
  readonly #target: FuzzTarget;
  readonly #order: WorkerOrder;
  readonly #current: CurrentInput;
  readonly #random: Random;
  readonly #coverage = new Coverage();
  readonly #collect: () => void;
  readonly #corpus: Uint8Array[] = [];
  #corpusBytes = 0;
  #executions = 0;

  constructor(target: FuzzTarget, order: WorkerOrder) {
    this.#target = target;
    this.#order = order;
    this.#current = new CurrentInput(order.shared);
    this.#random = new Random(order.seed);
    setFlagsFromString('--expose-gc');
    this.#collect = runInNewContext('gc') as () => void;
  }

  async run(): Promise<WorkerReport> {
    const until = performance.now() + this.#order.milliseconds;
    const ended = () => performance.now() >= until || this.#executions >= this.#order.executions;
    let checkAt = performance.now() + HEAP_CHECK_MS;
    let base: number | undefined;
    let growthBytes = 0;
    // Most inputs are refused, and a stack costs more than parsing them.
    Error.stackTraceLimit = 0;
    try {
      await this.#learn(seedsOf(this.#target.name));
      while (!ended()) {
        await this.#learn(Array.from({ length: BATCH }, () => this.#next()));
        if (performance.now() < checkAt) continue;
        const heap = this.#heapBytes();
        // The first look is after warming up: code was compiled, tables filled.
        base ??= heap;
        growthBytes = heap - base;
        checkAt = performance.now() + HEAP_CHECK_MS;
      }
      if (base !== undefined) growthBytes = this.#heapBytes() - base;
    } catch (thrown) {
      return this.#report({ growthBytes, crash: await this.#withStack(thrown) });
    }
    return this.#report({ growthBytes });
  }

  /** What the current input throws, once more and with where; as it was, if it does not come again. */
  async #withStack(thrown: unknown): Promise<string> {
    Error.stackTraceLimit = STACK_LINES;
    return (await this.replay(this.#current.get())).crash ?? `only once: ${shown(thrown)}`;
  }

  async replay(input: Uint8Array): Promise<WorkerReport> {
    const before = process.threadCpuUsage();
    try {
      await this.#execute(input);
    } catch (thrown) {
      return this.#report({ crash: shown(thrown) });
    }
    const { user, system } = process.threadCpuUsage(before);
    return this.#report({ cpuMs: (user + system) / 1000 });
  }

  /** Runs inputs; those that execute something new are kept, found by halving. */
  async #learn(inputs: readonly Uint8Array[]): Promise<void> {
    for (const input of inputs) await this.#execute(input);
    const together = this.#coverage.fresh();
    const [first, ...others] = inputs;
    if (together.length === 0 || first === undefined) return;
    if (others.length === 0) {
      this.#keep(first);
    } else {
      const middle = inputs.length >> 1;
      await this.#learn(inputs.slice(0, middle));
      await this.#learn(inputs.slice(middle));
    }
    // Blocks are cut differently when several inputs are counted together.
    this.#coverage.note(together);
  }

  #keep(input: Uint8Array): void {
    const at =
      this.#corpus.length < MAX_CORPUS ? this.#corpus.length : this.#random.below(MAX_CORPUS);
    this.#corpusBytes += input.length - (this.#corpus[at]?.length ?? 0);
    this.#corpus[at] = new Uint8Array(input);
  }

  #next(): Uint8Array {
    const base = this.#corpus[this.#random.below(this.#corpus.length)] ?? new Uint8Array();
    return mutate(base, this.#random, this.#material);
  }

  get #material(): Material {
    return {
      dictionary: dictionaryOf(this.#target),
      corpus: this.#corpus,
      maxBytes: this.#target.maxBytes,
    };
  }

  async #execute(input: Uint8Array): Promise<void> {
    this.#current.set(input);
    this.#executions += 1;
    const pending = this.#target.run(input);
    if (pending !== undefined) await pending;
  }

  #heapBytes(): number {
    this.#collect();
    const { used_heap_size: heap, external_memory: external } = getHeapStatistics();
    return heap + external - this.#corpusBytes;
  }

  #report(outcome: Partial<WorkerReport>): WorkerReport {
    const report = {
      executions: this.#executions,
      corpus: this.#corpus.length,
      blocks: this.#coverage.size,
      growthBytes: 0,
      cpuMs: 0,
      ...outcome,
    };
    this.#coverage.close();
    return report;
  }
}

const DICTIONARIES = new WeakMap<FuzzTarget, readonly Uint8Array[]>();

function dictionaryOf(target: FuzzTarget): readonly Uint8Array[] {
  const known = DICTIONARIES.get(target);
  if (known !== undefined) return known;
  // One code unit an octet, so that a token may be any bytes.
  const made = target.dictionary.map((token) => new Uint8Array(Buffer.from(token, 'latin1')));
  DICTIONARIES.set(target, made);
  return made;
}

function shown(thrown: unknown): string {
  return thrown instanceof Error ? (thrown.stack ?? thrown.message) : `thrown: ${String(thrown)}`;
}

const order = workerData as WorkerOrder;
const { TARGETS } = (await import(order.module)) as { TARGETS: readonly FuzzTarget[] };
const target = TARGETS.find(({ name }) => name === order.target);
if (target === undefined) throw new Error(`no target ${order.target}`);
const run = new FuzzRun(target, order);
parentPort?.postMessage(
  order.replay === undefined ? await run.run() : await run.replay(order.replay),
);
