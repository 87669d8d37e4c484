// `signet node` as a child process with the options of the image, and what it logs.

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

const MAIN = join(import.meta.dirname, '../../../src/main.ts');
const ENTRY_OPTIONS = ['--disable-sigusr1', '--disable-proto=throw', '--no-addons'];
const PATIENCE_MS = 20_000;

export type LogLine = { readonly msg?: string; readonly [field: string]: unknown };

export type NodeProcessOptions = {
  /** The whole environment. */
  readonly variables?: Readonly<Record<string, string>>;
  readonly nodeOptions?: readonly string[];
  /** Default: the sources. */
  readonly program?: readonly string[];
};

export class NodeProcess {
  /** Standard error, line by line. */
  readonly lines: string[] = [];
  readonly #child: ChildProcess;
  readonly #ended: Promise<unknown>;
  #wake = Promise.withResolvers<void>();

  constructor(args: readonly string[], options: NodeProcessOptions = {}) {
    const program = options.program ?? ['--conditions=source', MAIN];
    this.#child = spawn(
      process.execPath,
      [...ENTRY_OPTIONS, ...(options.nodeOptions ?? []), ...program, 'node', ...args],
      { stdio: ['ignore', 'ignore', 'pipe'], env: { ...options.variables } },
    );
    this.#ended = once(this.#child, 'close').finally(() => this.#look());
    const { stderr } = this.#child;
    if (stderr === null) throw new Error('no standard error');
    createInterface(stderr).on('line', (line) => {
      this.lines.push(line);
      this.#look();
    });
  }

  /** The first logged line with this message for which `accept` holds. */
  async logged(message: string, accept: (line: LogLine) => boolean = () => true): Promise<LogLine> {
    const end = performance.now() + PATIENCE_MS;
    const timer = setTimeout(() => this.#look(), PATIENCE_MS + 1);
    try {
      while (performance.now() < end) {
        const changed = this.#wake.promise;
        const parsed = this.lines.filter((line) => line.startsWith('{'));
        const found = parsed
          .map((line) => JSON.parse(line) as LogLine)
          .find((line) => line.msg === message && accept(line));
        if (found !== undefined) return found;
        if (this.#child.exitCode !== null) break;
        await changed;
      }
      throw new Error(`never logged "${message}":\n${this.lines.join('\n')}`);
    } finally {
      clearTimeout(timer);
    }
  }

  /** The exit code, after the signal if one is given; null after SIGKILL. */
  async end(signal?: NodeJS.Signals): Promise<number | null> {
    if (signal !== undefined) this.#child.kill(signal);
    await this.#ended;
    return this.#child.exitCode;
  }

  #look(): void {
    this.#wake.resolve();
    this.#wake = Promise.withResolvers();
  }
}
