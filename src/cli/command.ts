// What a command of the program is, and what it may do to the world outside.

import type { Clock } from '../base/clock.ts';
import type { Logger } from '../base/log.ts';

export type CommandContext = {
  /** Aborted by the first SIGINT or SIGTERM. */
  readonly signal: AbortSignal;
  readonly clock: Clock;
  readonly log: Logger;
  /** Writes lines for people or pipelines; the log goes elsewhere. */
  readonly out: (text: string) => void;
  readonly err: (text: string) => void;
  readonly environment: Readonly<Record<string, string | undefined>>;
};

/** Runs with the arguments behind its name; resolves with the exit code. */
export type Command = (args: readonly string[], context: CommandContext) => Promise<number>;
