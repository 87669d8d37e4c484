// What the tests found beside passing: figures, and attacks with what came of them. Each test file is
// a process of its own, so they append to one file that the runner reads.

import { appendFileSync, existsSync, readFileSync } from 'node:fs';

export const REPORT_VARIABLE = 'SIGNET_CLUSTER_REPORT';

export type Finding =
  | {
      readonly kind: 'figure';
      readonly name: string;
      readonly value: number;
      readonly unit: string;
    }
  | {
      readonly kind: 'attack';
      readonly name: string;
      readonly by: string;
      readonly outcome: string;
    };

export function figure(name: string, value: number, unit: string): void {
  note({ kind: 'figure', name, value, unit });
}

/** `outcome` in a few words: what refused it. */
export function attack(name: string, by: string, outcome: string): void {
  note({ kind: 'attack', name, by, outcome });
}

export function readFindings(file: string): readonly Finding[] {
  if (!existsSync(file)) return [];
  const lines = readFileSync(file, 'utf8').trim().split('\n');
  return lines.filter((line) => line !== '').map((line) => JSON.parse(line) as Finding);
}

export function printed(findings: readonly Finding[]): string {
  const rows = findings.map((finding) =>
    finding.kind === 'figure'
      ? ['figure', finding.name, `${finding.value} ${finding.unit}`]
      : ['attack', `${finding.name} (by ${finding.by})`, finding.outcome],
  );
  const width = (column: number): number =>
    Math.max(0, ...rows.map((row) => row[column]?.length ?? 0));
  const widths = [width(0), width(1)];
  return rows
    .map((row) => row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join('  '))
    .map((line) => `${line}\n`)
    .join('');
}

function note(finding: Finding): void {
  const file = process.env[REPORT_VARIABLE];
  if (file !== undefined) appendFileSync(file, `${JSON.stringify(finding)}\n`);
}
