// The tables of rows as the results say they should be, and what is wrong with the results.

import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { KINDS } from '../../src/crds/custom-resource-definition.ts';
import { specFields } from './manifest-fields.ts';
import { rowsIn } from './row-ids.ts';
import { ROOT, type RowResults } from './row-results.ts';

export const DOCUMENTS = ['docs/conformance.md', 'docs/compatibility.md'] as const;
const ROW = /^\| ([A-Z][A-Z0-9]?-?\d+|`[A-Za-z.]+\.spec\.[A-Za-z0-9.]+`) \|/;
const COUNT = /\b\d+ of\s+\d+\s+rows are\s+cited/;
/** A row that says what there is not. */
const NOTHING_TO_TEST = ' | – |';
const FIELDS = /(<!-- fields -->\n)[^]*?(<!-- \/fields -->)/;

/** Row → files below test/, in order. */
export type Citations = ReadonlyMap<string, readonly string[]>;

/** What ran, and what needs a cluster: its tests have a command of their own, so their text counts. */
export function citations(results: RowResults, cluster: Citations): Citations {
  const rows = new Set([...results.keys(), ...cluster.keys()]);
  return new Map(
    [...rows].map((row) => [
      row,
      [...(results.get(row)?.keys() ?? []), ...(cluster.get(row) ?? [])].toSorted(),
    ]),
  );
}

export function clusterCitations(): Citations {
  const found = new Map<string, readonly string[]>();
  for (const path of globSync('test/cluster/*.test.ts', { cwd: ROOT }).toSorted()) {
    const text = readFileSync(join(ROOT, path), 'utf8');
    for (const row of new Set(rowsIn(text))) {
      found.set(row, [...(found.get(row) ?? []), path.slice('test/'.length)]);
    }
  }
  return found;
}

/** The document with its list of fields, its last columns and its count as they should be. */
export function withCitations(text: string, cited: Citations): string {
  let rows = 0;
  let tested = 0;
  const lines = text
    .replace(FIELDS, (_, begin: string, end: string) => `${begin}${fieldTable()}${end}`)
    .split('\n')
    .map((line) => {
      const row = ROW.exec(line)?.[1]?.replaceAll('`', '');
      if (row === undefined) return line;
      const paths = cited.get(row) ?? [];
      const end = line.slice(0, -2).lastIndexOf(' | ');
      const isNothing = paths.length === 0 && line.slice(end) === NOTHING_TO_TEST;
      if (isNothing) return line;
      rows += 1;
      if (paths.length > 0) tested += 1;
      const cell = paths.length === 0 ? 'not yet' : paths.map((path) => `\`${path}\``).join(', ');
      return `${line.slice(0, end)} | ${cell} |`;
    });
  return lines
    .join('\n')
    .replace(COUNT, (all) => all.replace(/\d+( of\s+)\d+/, (_, of) => `${tested}${of}${rows}`));
}

function fieldTable(): string {
  const rows = KINDS.flatMap(({ kind, schema }) =>
    specFields(schema).map((field) => `| \`${kind}.spec.${field}\` | not yet |\n`),
  );
  return `\n| field | tested by |\n|---|---|\n${rows.join('')}\n`;
}

/** Tests that name a row and did not pass; skipped ones where nothing may be skipped. */
export function failures(results: RowResults, maySkip: boolean): readonly string[] {
  return [...results].flatMap(([row, files]) =>
    [...files]
      .filter(([, outcome]) => outcome === 'failed' || (outcome === 'skipped' && !maySkip))
      .map(([file, outcome]) => `${row}: its test in test/${file} ${outcome}`),
  );
}

/** Lines that differ, by their row. */
export function differences(present: string, wanted: string): readonly string[] {
  const kept = new Set(present.split('\n'));
  return wanted.split('\n').filter((line) => !kept.has(line));
}
