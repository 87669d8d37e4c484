// docs/agents.md shows nothing but what is in the example zero-secret-agent, which the cluster's tests
// run; and the example's code is well typed against the packages it names.

import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { Application } from './application.ts';

const ROOT = join(import.meta.dirname, '..', '..', '..');
const EXAMPLE = join(ROOT, 'manifests/examples/zero-secret-agent');
const application = await Application.create('guide');
after(() => application.remove());

const code = filesOf('agent', '.ts');
const manifests = filesOf('', '.yaml').map(({ text }) => lines(text).join('\n'));

function filesOf(folder: string, end: string) {
  const names = readdirSync(join(EXAMPLE, folder)).filter((name) => name.endsWith(end));
  return names.map((name) => ({ name, text: readFileSync(join(EXAMPLE, folder, name), 'utf8') }));
}

/** Without what only says how deep in a manifest they are. */
function lines(text: string): readonly string[] {
  return text.split('\n').flatMap((line) => (line.trim() === '' ? [] : [line.trim()]));
}

test('the code of the example is well typed against the packages it names', async () => {
  const written = code.map(({ name, text }) => application.write(name, text));
  assert.ok(written.length > 5);
  assert.equal(await application.typeErrors(written), '');
});

test('each block of the guide is in the example as it stands', () => {
  const guide = readFileSync(join(ROOT, 'docs/agents.md'), 'utf8');
  const blocks = [...guide.matchAll(/^```(\w*)\n(.*?)\n```$/gms)];
  assert.ok(blocks.length > 10);
  for (const [, language, block = ''] of blocks) {
    if (language === 'ts') {
      assert.ok(
        code.some(({ text }) => text === `${block}\n`),
        block,
      );
      continue;
    }
    // Lines that follow each other there, in one file or in several parts of one.
    const wanted = lines(block);
    const isThere = manifests.some((text) => follows(lines(text), wanted));
    assert.ok(isThere, block);
  }
});

function follows(all: readonly string[], wanted: readonly string[]): boolean {
  let from = 0;
  for (const line of wanted) {
    const at = all.indexOf(line, from);
    if (at === -1) return false;
    from = at + 1;
  }
  return true;
}
