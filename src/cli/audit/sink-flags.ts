// Where a process writes its audit lines.

import type { AuditLog } from '../../audit/audit-log.ts';
import { openAuditLog } from '../../audit/stream-audit-log.ts';
import type { Clock } from '../../base/clock.ts';
import type { FlagSpecs, Flags } from '../../base/flags.ts';

export const AUDIT_SINK_FLAGS = {
  'audit-log': {
    type: 'string',
    default: '-',
    help: 'file of audit lines, - for standard output',
    value: 'FILE',
  },
  'audit-max-size': {
    type: 'integer',
    default: 64,
    help: 'MiB after which a file of audit lines is set aside under a number; 0: never',
    value: 'MIB',
  },
} as const satisfies FlagSpecs;

const MIB = 1024 * 1024;

export function openSink(
  flags: Flags<typeof AUDIT_SINK_FLAGS>,
  clock: Clock,
  replica?: string,
): AuditLog {
  const size = flags['audit-max-size'];
  return openAuditLog(flags['audit-log'], clock, {
    ...(size === 0 ? {} : { maxBytes: size * MIB }),
    ...(replica === undefined ? {} : { replica }),
  });
}
