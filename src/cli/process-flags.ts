// The flags of every process that logs, with one meaning.

import type { FlagSpecs } from '../base/flags.ts';

export const PROCESS_FLAGS = {
  'log-level': {
    type: 'choice',
    of: ['error', 'warn', 'info', 'debug', 'silent'],
    default: 'info',
    help: 'how much to log, as JSON lines on standard error',
  },
  help: { type: 'boolean', help: 'print this' },
} as const satisfies FlagSpecs;
