// Runs the checks of one consumer, and says what it would do.

import { formatTable, printable } from '../table.ts';
import type { Check, Consumer, Verdict } from './check.ts';

export type Finding = Verdict & { readonly check: string; readonly source: string };

export type Report = {
  readonly consumer: string;
  readonly subject: string;
  /** Whether nothing that is known here would be refused. */
  readonly accepted: boolean;
  readonly findings: readonly Finding[];
};

export function runChecks<Trial>(
  checks: readonly Check<Trial>[],
  trial: Trial,
): readonly Finding[] {
  return checks.map(({ name, source, run }) => ({ check: name, source, ...run(trial) }));
}

export function reportOf(
  { consumer, subject }: Pick<Report, 'consumer' | 'subject'>,
  findings: readonly Finding[],
): Report {
  const accepted = findings.every(({ status }) => status !== 'refused');
  return { consumer, subject, accepted, findings };
}

export function reportText({ subject, findings }: Report, { title, takes }: Consumer): string {
  const rows = findings.map(({ status, check, message }) => [status, check, message]);
  const count = (wanted: Verdict['status']) =>
    findings.filter(({ status }) => status === wanted).length;
  const what = takes === 'token' ? 'token' : 'certificate';
  const whose = subject === '' ? `this ${what}` : `this ${what} of ${printable(subject)}`;
  const verdict =
    count('refused') > 0
      ? `${title} would refuse ${whose}; rules broken: ${count('refused')}`
      : `nothing known here makes ${title} refuse ${whose}`;
  const open = count('unknown') === 0 ? '' : `; ${count('unknown')} could not be decided`;
  return `${formatTable(['STATUS', 'CHECK', 'FOUND'], rows)}\n\n${verdict}${open}`;
}
