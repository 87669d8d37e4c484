// Runs a command function as main does, with what it prints caught.

import { systemClock } from '../../../src/base/clock.ts';
import { silentLogger } from '../../../src/base/log.ts';
import type { Command } from '../../../src/cli/command.ts';

export async function runCommand(
  command: Command,
  args: readonly string[],
): Promise<{ code: number; out: string; err: string }> {
  const out: string[] = [];
  const err: string[] = [];
  const code = await command(args, {
    signal: new AbortController().signal,
    clock: systemClock,
    log: silentLogger,
    out: (text) => out.push(text),
    err: (text) => err.push(text),
    environment: {},
  });
  return { code, out: out.join('\n'), err: err.join('\n') };
}
