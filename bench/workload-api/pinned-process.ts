// A process of the benchmark, on one core; what it costs, as the kernel counts it.

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createInterface, type Interface } from 'node:readline';

const TICKS_PER_SECOND = 100;

export class PinnedProcess {
  readonly #child: ChildProcess;
  readonly #lines: AsyncIterator<string>;

  constructor(core: number, command: readonly string[]) {
    this.#child = spawn('taskset', ['-c', String(core), ...command], {
      stdio: ['pipe', 'pipe', 'inherit'],
      env: { ...process.env, GOMAXPROCS: '1' },
    });
    const lines: Interface = createInterface(this.#child.stdout as NodeJS.ReadableStream);
    this.#lines = lines[Symbol.asyncIterator]();
  }

  async line(): Promise<string> {
    const { value, done } = await this.#lines.next();
    if (done === true) throw new Error('the process ended');
    return value;
  }

  /** Memory in KiB after a collection. */
  async memory(): Promise<{ readonly anonymous: number; readonly resident: number }> {
    this.#child.stdin?.write('\n');
    await this.line();
    const status = readFileSync(`/proc/${this.#child.pid}/status`, 'utf8');
    const field = (name: string) =>
      Number(new RegExp(`^${name}:\\s+(\\d+)`, 'm').exec(status)?.[1]);
    return { anonymous: field('RssAnon'), resident: field('VmRSS') };
  }

  /** Processor time used so far, in seconds. */
  cpuSeconds(): number {
    const stat = readFileSync(`/proc/${this.#child.pid}/stat`, 'utf8');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND;
  }

  async stop(): Promise<void> {
    const ended = once(this.#child, 'exit');
    this.#child.stdin?.end();
    if (this.#child.exitCode === null) this.#child.kill();
    await ended;
  }
}
