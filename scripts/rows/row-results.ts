// What the last run of the tests said of each row: by row and file, whether a test that names the row
// passed. Written by the reporter, read by the tables.

import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

export const ROOT: string = join(import.meta.dirname, '../..');
const FILE = process.env['SIGNET_ROW_RESULTS'] ?? join(ROOT, '.cache/row-results.json');

/** `skipped`: no test of that row and file ran, because this machine lacks what it needs. */
export type Outcome = 'passed' | 'skipped' | 'failed';
export type RowResults = ReadonlyMap<string, ReadonlyMap<string, Outcome>>;

/** Throws when there was no run. */
export function readRowResults(): RowResults {
  if (!existsSync(FILE)) throw new Error('no results of a whole run: npm run test:all makes them');
  const rows = JSON.parse(readFileSync(FILE, 'utf8')) as Record<string, Record<string, Outcome>>;
  return new Map(
    Object.entries(rows).map(([row, files]) => [row, new Map(Object.entries(files))] as const),
  );
}

export function writeRowResults(results: RowResults): void {
  const rows = [...results].map(([row, files]) => [row, Object.fromEntries(files)]);
  mkdirSync(dirname(FILE), { recursive: true });
  writeFileSync(FILE, JSON.stringify(Object.fromEntries(rows), undefined, 1));
}

/** Of several tests that name a row in one file: one that failed counts most, then one that passed. */
export function worse(one: Outcome | undefined, other: Outcome): Outcome {
  if (one === 'failed' || other === 'failed') return 'failed';
  return one === 'passed' || other === 'passed' ? 'passed' : 'skipped';
}
