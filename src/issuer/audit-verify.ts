// Checks the chain of an audit log. What it shows: no line was edited, removed or put in between the
// first and the last. What it cannot show by itself: that the last line is the last one written, or
// that somebody who could rewrite the whole file did not.

import { hash } from 'node:crypto';
import { GENESIS } from './audit-log.ts';

export type AuditProblem = {
  /** Counted from 1. */
  readonly line: number;
  readonly problem: 'Malformed' | 'Gap' | 'Broken' | 'CutAtStart' | 'CutAtEnd';
};

export type AuditVerdict = {
  readonly lines: number;
  /** Digest of the last line; compare it with one that was noted elsewhere. */
  readonly head: string;
  readonly problems: readonly AuditProblem[];
};

/** `expectedHead`: a digest noted earlier, which must be that of one of the lines. */
export function verifyAuditLines(lines: Iterable<string>, expectedHead?: string): AuditVerdict {
  const problems: AuditProblem[] = [];
  let head = GENESIS;
  let sequence = 0;
  let count = 0;
  let sawExpected = expectedHead === undefined || expectedHead === GENESIS;
  for (const text of lines) {
    if (text === '') continue;
    count += 1;
    const link = readLink(text);
    if (link === undefined) {
      // What a crash left of a line is in no chain either way; a person must look at it.
      problems.push({ line: count, problem: 'Malformed' });
      continue;
    }
    if (link.previous !== head || link.sequence !== sequence + 1) {
      const isFirst = head === GENESIS;
      const isGap = link.sequence !== sequence + 1;
      problems.push({ line: count, problem: isFirst ? 'CutAtStart' : isGap ? 'Gap' : 'Broken' });
    }
    head = hash('sha256', text);
    ({ sequence } = link);
    sawExpected ||= head === expectedHead;
  }
  if (!sawExpected) problems.push({ line: count, problem: 'CutAtEnd' });
  return { lines: count, head, problems };
}

function readLink(text: string): { sequence: number; previous: string } | undefined {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value !== 'object' || value === null) return undefined;
    if (!('sequence' in value && 'previous' in value)) return undefined;
    const { sequence, previous } = value;
    if (typeof sequence !== 'number' || !Number.isSafeInteger(sequence)) return undefined;
    return typeof previous === 'string' ? { sequence, previous } : undefined;
  } catch {
    return undefined;
  }
}
