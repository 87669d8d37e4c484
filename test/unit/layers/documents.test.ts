// What the documents name must be there: files they link to, sources they point at, npm scripts they
// tell people to run, and tests that they say cover a row.

import assert from 'node:assert/strict';
import { existsSync, globSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'node:test';

const root = join(import.meta.dirname, '../../..');
const documents = [...globSync('*.md', { cwd: root }), ...globSync('docs/**/*.md', { cwd: root })];
const read = (path: string) => readFileSync(join(root, path), 'utf8');

test('there are documents', () => assert.ok(documents.length > 10));

test('the licence is a file that package.json names', () => {
  const { license } = JSON.parse(read('package.json')) as { license: string };
  assert.equal(license, 'Apache-2.0');
  assert.match(read('LICENSE'), /Apache License\s+Version 2\.0/);
});

for (const document of documents) {
  const text = read(document);

  test(`${document}: links lead to files and headings that are there`, () => {
    for (const [, target = ''] of text.matchAll(/\]\(([^)\s]+)\)/g)) {
      if (/^[a-z]+:/.test(target)) continue;
      const [path = '', heading] = target.split('#');
      const file = path === '' ? document : join(dirname(document), path);
      assert.ok(existsSync(join(root, file)), target);
      if (heading !== undefined) assert.ok(headings(read(file)).includes(heading), target);
    }
  });

  test(`${document}: paths in the text are there`, () => {
    for (const [, path = ''] of text.matchAll(
      /`((?:src|test|docs|client|proto|manifests|scripts)\/[\w./-]+)`/g,
    )) {
      // Parts that the text itself calls missing.
      if (['src/kube', 'src/controller'].includes(path)) continue;
      assert.ok(existsSync(join(root, path)), path);
    }
  });

  test(`${document}: npm scripts are there`, () => {
    const { scripts } = JSON.parse(read('package.json')) as { scripts: Record<string, string> };
    for (const [, name = ''] of text.matchAll(/npm run (?:-s )?([a-z:]+)/g)) {
      assert.ok(Object.hasOwn(scripts, name), name);
    }
  });
}

for (const document of ['docs/conformance.md', 'docs/compatibility.md']) {
  test(`${document}: the tests of each row are there and name the row's list`, () => {
    let rows = 0;
    for (const line of read(document).split('\n')) {
      const [, row = ''] = /^\| ([A-Z][A-Z0-9]?-?\d+) \|/.exec(line) ?? [];
      if (row === '') continue;
      const last = line.split(' | ').at(-1) ?? '';
      const tests = [...last.matchAll(/`([^`]+)`/g)].map(([, path = '']) => `test/${path}`);
      if (tests.length === 0) assert.match(last, /^(?:not yet|–)/, line);
      // A row may be cited as a part of a range, so only its list is looked for.
      const list = row.replace(/\d+$/, '');
      for (const path of tests)
        assert.match(read(path), new RegExp(`\\b${list}\\d`), `${row} in ${path}`);
      rows += 1;
    }
    assert.ok(rows > 50);
  });
}

function headings(text: string): readonly string[] {
  return [...text.matchAll(/^#+ (.+)$/gm)].map(([, title = '']) =>
    title
      .toLowerCase()
      .replace(/[^a-z0-9 -]/g, '')
      .replaceAll(' ', '-'),
  );
}
