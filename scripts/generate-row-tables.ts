// Brings the "tested by" columns of the tables of rows up to date: which files under test/ cite a row
// in a test's name or a comment. A row is cited by its id, or as part of a range (`KU-01 to KU-05`).

import { globSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const ROOT = join(import.meta.dirname, '..');
const DOCUMENTS = ['docs/conformance.md', 'docs/compatibility.md'] as const;
const COUNT = /\b\d+ of\s+\d+\s+rows are\s+cited/;

/** `KU-01`, `KU-01 to KU-05`, `KU-01…05`. */
const STANDARD =
  /\b(ID|X5|JW|WE|WA|TB|FE|PF|CS|KU|RG|SA)-(\d{2})(?:\s*(?:[–…]|to)\s*(?:\1-)?(\d{2}))?/g;
/** `A1`, `A1–A7`, `A1, A4`: only at the start of a text or after "row", since names may look so. */
const BEHAVIOUR =
  /(?:['"`]|compatibility |rows? )((?:[ABDEGRV]\d{1,2}\b(?:\s*[–,]\s*|\s+to\s+|\s+)?)+)/g;
const BEHAVIOUR_ROW = /([ABDEGRV])(\d{1,2})(?:\s*(?:–|to)\s*[ABDEGRV]?(\d{1,2}))?/g;

type Citations = ReadonlyMap<string, ReadonlySet<string>>;

/** Row id → paths below test/ that cite it. */
export function citations(): Citations {
  const found = new Map<string, Set<string>>();
  for (const path of globSync('test/**/*.ts', { cwd: ROOT }).toSorted()) {
    if (path.startsWith('test/unit/layers/')) continue;
    for (const row of rowsIn(readFileSync(join(ROOT, path), 'utf8'))) {
      const paths = found.get(row) ?? new Set();
      found.set(row, paths.add(path.slice('test/'.length)));
    }
  }
  return found;
}

function* rowsIn(text: string): Generator<string> {
  for (const [, list = '', first = '', last] of text.matchAll(STANDARD)) {
    for (const number of range(first, last)) yield `${list}-${String(number).padStart(2, '0')}`;
  }
  for (const [, group = ''] of text.matchAll(BEHAVIOUR)) {
    for (const [, list = '', first = '', last] of group.matchAll(BEHAVIOUR_ROW)) {
      for (const number of range(first, last)) yield `${list}${number}`;
    }
  }
}

function range(first: string, last: string | undefined): readonly number[] {
  const from = Number(first);
  return Array.from({ length: Math.max(Number(last ?? first) - from, 0) + 1 }, (_, i) => from + i);
}

/** The document with its last columns and its count as they should be. */
export function withCitations(text: string, cited: Citations): string {
  let rows = 0;
  let tested = 0;
  const lines = text.split('\n').map((line) => {
    const [, row] = /^\| ([A-Z][A-Z0-9]?-?\d+) \|/.exec(line) ?? [];
    if (row === undefined) return line;
    const paths = [...(cited.get(row) ?? [])];
    rows += 1;
    if (paths.length > 0) tested += 1;
    const cell = paths.length === 0 ? 'not yet' : paths.map((path) => `\`${path}\``).join(', ');
    return `${line.slice(0, line.slice(0, -2).lastIndexOf(' | '))} | ${cell} |`;
  });
  return lines
    .join('\n')
    .replace(COUNT, (all) => all.replace(/\d+( of\s+)\d+/, (_, of) => `${tested}${of}${rows}`));
}

if (import.meta.main) {
  const cited = citations();
  for (const document of DOCUMENTS) {
    const path = join(ROOT, document);
    writeFileSync(path, withCitations(readFileSync(path, 'utf8'), cited));
  }
}
