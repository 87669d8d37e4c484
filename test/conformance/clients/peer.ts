// A peer: a process of one language, with a socket of its own. It prints lines of JSON: once where it
// listens, with each change of its identity what it is now, and an answer for each order it is given.

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';

export type Order = { readonly n: number } & Task;
export type Task =
  | { readonly do: 'dial'; readonly address: string; readonly expect: string }
  | { readonly do: 'token'; readonly audience: string }
  | { readonly do: 'check'; readonly audience: string; readonly token: string };

export type Answer = Readonly<Record<string, string>>;
type Line = {
  readonly listening?: number;
  readonly svid?: string;
  readonly serial?: string;
  readonly n?: number;
};

/** Long, because several virtual machines start at once. */
const PATIENCE_MS = 150_000;

export class Peer {
  readonly name: string;
  readonly id: string;
  /** Serials of the SVIDs that it had, in their order. */
  readonly serials: string[] = [];
  port = 0;
  readonly #child: ChildProcess;
  readonly #answers = new Map<number, (answer: Answer) => void>();
  #wake = Promise.withResolvers<void>();
  #errors = '';
  #orders = 0;

  constructor(name: string, id: string, command: readonly string[]) {
    this.name = name;
    this.id = id;
    const [program = '', ...args] = command;
    // Not what this test runs under: a workload has its own trust.
    const { NODE_EXTRA_CA_CERTS: _, ...env } = process.env;
    const child = spawn(program, args, { stdio: ['pipe', 'pipe', 'pipe'], env });
    this.#child = child;
    createInterface(child.stdout).on('line', (line) => this.#take(line));
    child.stderr.on('data', (bytes: Buffer) => {
      this.#errors = `${this.#errors}${bytes.toString()}`.slice(-4000);
    });
    child.stdin.on('error', () => {});
    child.once('exit', () => this.#woken());
  }

  get address(): string {
    return `127.0.0.1:${this.port}`;
  }

  /** What its libraries wrote on standard error, the end of it. */
  get errors(): string {
    return this.#errors;
  }

  get isRunning(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null;
  }

  async until(what: string, isSo: () => boolean): Promise<void> {
    let isLate = false;
    const timer = setTimeout(() => {
      isLate = true;
      this.#woken();
    }, PATIENCE_MS);
    try {
      while (!isSo()) {
        if (!this.isRunning) throw new Error(`${this.name} ended before ${what}: ${this.#errors}`);
        if (isLate) throw new Error(`${this.name}: no ${what} in time: ${this.#errors}`);
        await this.#wake.promise;
      }
    } finally {
      clearTimeout(timer);
    }
  }

  async ask(task: Task): Promise<Answer> {
    this.#orders += 1;
    const n = this.#orders;
    const { promise, resolve } = Promise.withResolvers<Answer>();
    this.#answers.set(n, resolve);
    this.#child.stdin?.write(`${JSON.stringify({ n, ...task })}\n`);
    let answer: Answer | undefined;
    void promise.then((given) => {
      answer = given;
      this.#woken();
    });
    await this.until(`answer to ${task.do}`, () => answer !== undefined);
    return answer ?? {};
  }

  async close(): Promise<void> {
    if (!this.isRunning) return;
    const ended = once(this.#child, 'exit');
    this.#child.kill('SIGKILL');
    await ended;
  }

  #take(text: string): void {
    const line = JSON.parse(text) as Line;
    if (line.listening !== undefined) this.port = line.listening;
    // Serials are written in several ways: `0A:1B`, `a1b`.
    const serial = line.serial?.replaceAll(':', '').toLowerCase().replace(/^0+/, '');
    if (serial !== undefined && line.svid === this.id && serial !== this.serials.at(-1)) {
      this.serials.push(serial);
    }
    if (line.n !== undefined) {
      const { n, ...answer } = line;
      this.#answers.get(n)?.(answer as Answer);
    }
    this.#woken();
  }

  #woken(): void {
    const { resolve } = this.#wake;
    this.#wake = Promise.withResolvers();
    resolve();
  }
}
