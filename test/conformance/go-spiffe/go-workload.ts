// Runs the Go program of this folder: its lines of JSON, as they come.

import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

export type Result = Readonly<Record<string, unknown>>;

export class GoWorkloads {
  readonly #directory = mkdtempSync(join(tmpdir(), 'signet-go-spiffe-'));
  readonly #children: ChildProcess[] = [];

  /** Builds the program. */
  build(): void {
    const env = { ...process.env, GOTOOLCHAIN: 'local', GOWORK: 'off' };
    execFileSync('go', ['build', '-o', this.#program, '.'], { cwd: import.meta.dirname, env });
  }

  /** Starts a command; iterate for its lines. It ends with its standard input. */
  start(command: string, socket: string, ...args: readonly string[]): AsyncIterator<Result> {
    const child = spawn(this.#program, [command, `unix://${socket}`, ...args], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    this.#children.push(child);
    return parsed(createInterface(child.stdout))[Symbol.asyncIterator]();
  }

  /** All lines of a command that ends by itself. */
  async run(command: string, socket: string, ...args: readonly string[]): Promise<Result[]> {
    const lines = this.start(command, socket, ...args);
    const results: Result[] = [];
    for (let next = await lines.next(); next.done !== true; next = await lines.next()) {
      results.push(next.value);
    }
    return results;
  }

  async close(): Promise<void> {
    for (const child of this.#children) {
      if (child.exitCode !== null || child.signalCode !== null) continue;
      const ended = once(child, 'exit');
      child.kill('SIGKILL');
      await ended;
    }
    rmSync(this.#directory, { recursive: true, force: true });
  }

  get #program(): string {
    return join(this.#directory, 'go-workload');
  }
}

async function* parsed(lines: AsyncIterable<string>): AsyncGenerator<Result> {
  for await (const line of lines) yield JSON.parse(line) as Result;
}
