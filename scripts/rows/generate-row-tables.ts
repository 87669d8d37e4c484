// Brings the "tested by" columns of the tables of rows up to date with the last whole run of the tests
// (`npm run test:all`), or with `--check` says what is out of date, and what did not pass.

import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT, readRowResults } from './row-results.ts';
import {
  citations,
  clusterCitations,
  DOCUMENTS,
  differences,
  failures,
  withCitations,
} from './row-tables.ts';

const isCheck = process.argv.includes('--check');
const results = readRowResults();
const problems = [...failures(results, process.env['CI'] !== 'true')];
const cited = citations(results, clusterCitations());
for (const document of DOCUMENTS) {
  const path = join(ROOT, document);
  const present = readFileSync(path, 'utf8');
  const wanted = withCitations(present, cited);
  if (!isCheck) writeFileSync(path, wanted);
  else if (present !== wanted) {
    problems.push(
      `${document} is not what the tests say; npm run generate:rows makes these lines of it:`,
      ...differences(present, wanted),
    );
  }
}
for (const problem of problems) console.error(problem);
if (problems.length > 0) process.exitCode = 1;
