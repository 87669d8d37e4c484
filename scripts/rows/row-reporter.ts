// A reporter of node:test that prints nothing: it notes which rows the names of passed tests cite, the
// names of the suites around them included.

import { relative } from 'node:path';
import type { TestEvent } from 'node:test/reporters';
import { rowsIn } from './row-ids.ts';
import { type Outcome, ROOT, worse, writeRowResults } from './row-results.ts';

// oxlint-disable-next-line import/no-default-export -- node:test takes a reporter no other way
export default async function* rowReporter(
  events: AsyncIterable<TestEvent>,
): AsyncGenerator<string, void, undefined> {
  const results = new Map<string, Map<string, Outcome>>();
  /** By file, the names of the suites and the test that the events are within. */
  const open = new Map<string, string[]>();
  for await (const { type, data } of events) {
    if (type === 'test:start') {
      const names = open.get(data.file ?? '') ?? [];
      open.set(data.file ?? '', [...names.slice(0, data.nesting), data.name]);
    }
    if (type !== 'test:pass' && type !== 'test:fail') continue;
    if (data.file === undefined || data.details.type === 'suite') continue;
    const outcome = outcomeOf(type, data);
    const names = [...(open.get(data.file)?.slice(0, data.nesting) ?? []), data.name];
    const file = relative(ROOT, data.file).replace(/^test\//, '');
    for (const row of names.flatMap((name) => [...rowsIn(name)])) {
      const files = results.get(row) ?? new Map<string, Outcome>();
      results.set(row, files.set(file, worse(files.get(file), outcome)));
    }
  }
  writeRowResults(results);
  yield '';
}

function outcomeOf(
  type: 'test:pass' | 'test:fail',
  { skip, todo }: { readonly skip?: string | boolean; readonly todo?: string | boolean },
): Outcome {
  if (type === 'test:fail') return 'failed';
  return isSet(skip) || isSet(todo) ? 'skipped' : 'passed';
}

function isSet(mark: string | boolean | undefined): boolean {
  return mark !== undefined && mark !== false;
}
