// The tables of rows say what tests said: which names cite which rows, what counts as passed, and
// that a table that says something else is noticed.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { rowsIn } from '../../../scripts/rows/row-ids.ts';
import { type Outcome, worse } from '../../../scripts/rows/row-results.ts';
import {
  citations,
  differences,
  failures,
  withCitations,
} from '../../../scripts/rows/row-tables.ts';

// Put together, so that no text here cites a row.
const [STANDARD, BEHAVIOUR] = ['KU', 'A'];
const first = `${STANDARD}-01`;
const second = `${STANDARD}-02`;
const third = `${STANDARD}-03`;
const field = ['ClusterSPIFFEID', 'spec', 'ttl'].join('.');

const NAMES: readonly (readonly [what: string, name: string, rows: readonly string[]])[] = [
  ['one row', `${first}: it works`, [first]],
  ['several rows', `${first}, ${third}: it works`, [first, third]],
  ['a range', `${first} to ${third} hold`, [first, second, third]],
  ['a short range', `${first}…03 hold`, [first, second, third]],
  ['rows of behaviour', `${BEHAVIOUR}1, ${BEHAVIOUR}4: same`, ['A1', 'A4']],
  ['a range of behaviour', `${BEHAVIOUR}1–${BEHAVIOUR}3: same`, ['A1', 'A2', 'A3']],
  ['letters and digits inside a name', `the key is ${BEHAVIOUR}128 bits`, []],
  ['a field', `${field} is read`, [field]],
];
for (const [what, name, rows] of NAMES) {
  test(`a name cites ${what}`, () => assert.deepEqual([...rowsIn(name)], rows));
}

test('one failure counts more than any pass, a pass more than any skip', () => {
  assert.equal(worse('passed', 'failed'), 'failed');
  assert.equal(worse('failed', 'passed'), 'failed');
  assert.equal(worse('skipped', 'passed'), 'passed');
  assert.equal(worse(undefined, 'skipped'), 'skipped');
});

const DOCUMENT = [
  'Today 0 of 9 rows are',
  'cited.',
  `| ${first} | must | Text | not yet |`,
  `| ${second} | must | Text | \`unit/gone.test.ts\` |`,
  '| other | table | x |',
].join('\n');

test('cells and count follow from the results, and what differs is shown', () => {
  const results = new Map([[first, new Map([['unit/b.test.ts', 'passed' as const]])]]);
  const cluster = new Map([[first, ['cluster/a.test.ts']]]);
  const wanted = withCitations(DOCUMENT, citations(results, cluster));
  assert.deepEqual(differences(DOCUMENT, wanted), [
    'Today 1 of 2 rows are',
    `| ${first} | must | Text | \`cluster/a.test.ts\`, \`unit/b.test.ts\` |`,
    `| ${second} | must | Text | not yet |`,
  ]);
  assert.deepEqual(differences(wanted, withCitations(wanted, citations(results, cluster))), []);
});

test('a row that says what there is not counts as none, until a test cites it', () => {
  const nothing = `Today 0 of 1 rows are cited.\n| ${first} | may | Text | – |`;
  assert.equal(
    withCitations(nothing, citations(new Map(), new Map())),
    `Today 0 of 0 rows are cited.\n| ${first} | may | Text | – |`,
  );
  assert.match(withCitations(nothing, new Map([[first, ['unit/b.test.ts']]])), /1 of 1[^]*b\.test/);
});

test('a row whose test failed, or was skipped where nothing may be, is named', () => {
  const of = (outcome: Outcome) => new Map([['a.test.ts', outcome]]);
  const results = new Map([
    [first, of('failed')],
    [second, of('skipped')],
    [third, of('passed')],
  ]);
  assert.equal(failures(results, true).length, 1);
  assert.match(failures(results, true)[0] ?? '', new RegExp(`^${first}: .* failed$`));
  assert.equal(failures(results, false).length, 2);
});

test('the reporter notes rows of tests and of the suites around them', () => {
  const folder = mkdtempSync(join(tmpdir(), 'signet-rows-'));
  try {
    const file = join(folder, 'x.test.mjs');
    writeFileSync(
      file,
      `import { suite, test } from 'node:test';
       suite('${first}: a suite', () => {
         test('${second}: passes', () => {});
         test('is skipped', { skip: true }, () => {});
       });
       test('${third}: fails', () => { throw new Error('x'); });`,
    );
    const out = join(folder, 'results.json');
    const reporter = join(import.meta.dirname, '../../../scripts/rows/row-reporter.ts');
    const { NODE_TEST_CONTEXT: _, ...env } = process.env;
    spawnSync(
      process.execPath,
      ['--test', `--test-reporter=${reporter}`, '--test-reporter-destination=stderr', file],
      { env: { ...env, SIGNET_ROW_RESULTS: out } },
    );
    const noted = JSON.parse(readFileSync(out, 'utf8')) as Record<string, Record<string, string>>;
    assert.deepEqual(
      Object.entries(noted).map(([row, files]) => [row, Object.values(files)]),
      [
        [first, ['passed']],
        [second, ['passed']],
        [third, ['failed']],
      ],
    );
  } finally {
    rmSync(folder, { recursive: true });
  }
});
