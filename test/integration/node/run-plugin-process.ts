// Starts the node plugin as a child process and waits until it is ready.

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import type { PluginProcessOptions } from './plugin-process.ts';

const PROGRAM = join(import.meta.dirname, 'plugin-process.ts');

/** `within` is a command that the process is started by, such as `unshare`. */
export async function runPluginProcess(
  options: PluginProcessOptions,
  within: readonly string[] = [],
): Promise<ChildProcess> {
  const [command, ...args] = [
    ...within,
    process.execPath,
    '--conditions=source',
    PROGRAM,
    JSON.stringify(options),
  ];
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  const ended = once(child, 'exit').then(([code, signal]) => {
    throw new Error(`the plugin ended before it was ready: ${String(code ?? signal)}`);
  });
  await Promise.race([once(child.stdout, 'data'), ended]);
  ended.catch(() => {});
  return child;
}

/** Ends a child process by a signal and waits for its end. */
export async function endProcess(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = once(child, 'exit');
  child.kill(signal);
  await ended;
}
