// What one check of a cluster says, and how a check that may not look is told from one that failed.

import { CodedError } from '../../base/errors.ts';
import type { ClusterReader } from '../cluster/reader.ts';

export type Finding = {
  readonly check: string;
  readonly status: 'ok' | 'warn' | 'fail';
  readonly message: string;
  /** What to do; '' when there is nothing to do. */
  readonly hint: string;
};

export type CheckTarget = {
  readonly reader: ClusterReader;
  /** Where Signet is installed. */
  readonly namespace: string;
  readonly driverName: string;
  /** Milliseconds since the epoch. */
  readonly now: number;
};

export type Check = {
  readonly name: string;
  readonly run: (target: CheckTarget) => Promise<readonly Verdict[]>;
};

export type Verdict = Omit<Finding, 'check'>;

export const ok = (message: string): Verdict => ({ status: 'ok', message, hint: '' });
export const warn = (message: string, hint = ''): Verdict => ({ status: 'warn', message, hint });
export const fail = (message: string, hint: string): Verdict => ({ status: 'fail', message, hint });

/** Runs checks one after the other; what is not allowed to be seen is a warning, not a failure. */
export async function runChecks(
  checks: readonly Check[],
  target: CheckTarget,
): Promise<readonly Finding[]> {
  const findings: Finding[] = [];
  for (const { name, run } of checks) {
    const verdicts = await run(target).catch(notAllowed);
    findings.push(...verdicts.map((verdict) => ({ check: name, ...verdict })));
  }
  return findings;
}

function notAllowed(thrown: unknown): readonly Verdict[] {
  const error = CodedError.from(thrown);
  if (error.code !== 'permission-denied') throw thrown;
  return [warn(`could not look: ${error.message}`, 'run it with an account that may read this')];
}

const SHOWN = 5;

/** The first few names, and how many more there are. */
export function someOf(names: readonly string[]): string {
  const shown = names.slice(0, SHOWN).join(', ');
  return names.length > SHOWN ? `${shown} and ${names.length - SHOWN} more` : shown;
}
