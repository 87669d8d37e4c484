// Programs of this machine: run to their end, with what they said when they fail.

import { spawn } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';

export type RunOptions = {
  readonly cwd?: string;
  readonly env?: NodeJS.ProcessEnv;
  readonly input?: string;
  readonly timeoutMs?: number;
};

export type Output = { readonly status: number; readonly stdout: string; readonly stderr: string };

/** Nothing of this session's proxies and certificates may reach what runs in the cluster. */
export const CLEAN_ENV: NodeJS.ProcessEnv = {
  PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
  HOME: '/root',
};

const DEFAULT_TIMEOUT_MS = 60_000;
const POLL_MS = 25;

/** Never throws for a program that fails; -1 is one that was ended by a signal or the time limit. */
export async function attempt(argv: readonly string[], options: RunOptions = {}): Promise<Output> {
  const [program = '', ...args] = argv;
  const child = spawn(program, args, {
    cwd: options.cwd,
    env: options.env ?? CLEAN_ENV,
    timeout: options.timeoutMs ?? DEFAULT_TIMEOUT_MS,
    killSignal: 'SIGKILL',
  });
  const parts: { stdout: Buffer[]; stderr: Buffer[] } = { stdout: [], stderr: [] };
  child.stdout.on('data', (part: Buffer) => parts.stdout.push(part));
  child.stderr.on('data', (part: Buffer) => parts.stderr.push(part));
  // A program may end without reading its input.
  child.stdin.on('error', () => {});
  child.stdin.end(options.input);
  const status = await new Promise<number>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code) => resolve(code ?? -1));
  });
  const text = (list: Buffer[]): string => Buffer.concat(list).toString();
  return { status, stdout: text(parts.stdout), stderr: text(parts.stderr) };
}

/** Standard output; throws with the end of standard error when the program fails. */
export async function run(argv: readonly string[], options: RunOptions = {}): Promise<string> {
  const { status, stdout, stderr } = await attempt(argv, options);
  if (status === 0) return stdout;
  throw new Error(`${argv.slice(0, 12).join(' ')}: status ${status}\n${stderr.slice(-2000)}`);
}

/** Asks until there is an answer; throws what was waited for after the time limit. */
export async function until<T>(
  what: string,
  ask: () => T | undefined | Promise<T | undefined>,
  limits: { readonly timeoutMs?: number; readonly everyMs?: number } = {},
): Promise<T> {
  const { timeoutMs = 30_000, everyMs = POLL_MS } = limits;
  const deadline = performance.now() + timeoutMs;
  for (;;) {
    const answer = await ask();
    if (answer !== undefined) return answer;
    if (performance.now() > deadline) throw new Error(`waited ${timeoutMs} ms for ${what}`);
    await sleep(everyMs);
  }
}
