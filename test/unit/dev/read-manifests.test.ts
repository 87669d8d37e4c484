// Manifests as people and tools write them, and what is not one.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readManifests } from '../../../src/dev/read-manifests.ts';

const POD = 'apiVersion: v1\nkind: Pod\nmetadata: {name: a, namespace: n}\n';
const pod = (name: string) => ({ apiVersion: 'v1', kind: 'Pod', metadata: { name } });
const names = (path: string, text: string) =>
  readManifests(path, text).objects.map(({ name }) => name);

test('several documents, empty ones between them, are several objects with their numbers', () => {
  const { objects, errors } = readManifests(
    'f.yaml',
    `---\n${POD}---\n---\n# nothing\n---\n${POD}`,
  );
  assert.deepEqual(errors, []);
  assert.equal(objects.length, 2);
  assert.match(objects[0]?.source ?? '', /^f\.yaml \(document \d\)$/);
  assert.notEqual(objects[0]?.source, objects[1]?.source);
});

test('one document is named by its file alone', () => {
  const [object] = readManifests('f.yaml', POD).objects;
  const { apiVersion, kind, namespace, name, source } = object ?? assert.fail();
  assert.deepEqual([apiVersion, kind, namespace, name, source], ['v1', 'Pod', 'n', 'a', 'f.yaml']);
});

test('lists, lists of a kind, arrays and lists in lists are flattened', () => {
  const list = (kind: string, items: unknown) => ({ apiVersion: 'v1', kind, items });
  assert.deepEqual(names('f.json', JSON.stringify(list('List', [pod('a'), pod('b')]))), ['a', 'b']);
  assert.deepEqual(names('f.json', JSON.stringify(list('PodList', [pod('a')]))), ['a']);
  assert.deepEqual(names('f.json', JSON.stringify([pod('a'), [pod('b')]])), ['a', 'b']);
  const nested = list('List', [list('List', [pod('a')]), pod('b')]);
  assert.deepEqual(names('f.json', JSON.stringify(nested)), ['a', 'b']);
});

const BROKEN: readonly (readonly [string, string, RegExp])[] = [
  ['YAML that does not parse', 'a: [', /^f\.yaml: .* at line 1/],
  ['a key twice', 'a: 1\na: 2', /^f\.yaml: Map keys must be unique/],
  ['no object', '7', /^f\.yaml: not a Kubernetes object$/],
  ['no kind', 'apiVersion: v1\nmetadata: {name: a}', /apiVersion or kind is missing$/],
  ['no metadata', 'apiVersion: v1\nkind: Pod', /^f\.yaml: Pod: metadata is missing$/],
  [
    'no name',
    'apiVersion: v1\nkind: Pod\nmetadata: {}',
    /^f\.yaml: Pod: metadata\.name is missing$/,
  ],
  ['a number as name', POD.replace('name: a', 'name: 7'), /metadata\.name must be a string$/],
  ['a list as kind', POD.replace('Pod', '[Pod]'), /kind must be a string$/],
  ['a bomb of aliases', bomb(), /alias/i],
  ['depth without end', '['.repeat(50_000), /^f\.yaml: /],
];
for (const [what, text, message] of BROKEN) {
  test(`${what} is named by file, and the document after it is read`, () => {
    const { objects, errors } = readManifests('f.yaml', text);
    assert.deepEqual(objects, []);
    assert.equal(errors.length > 0, true);
    assert.match(errors[0] ?? '', message);
    assert.ok(errors.every((line) => !line.includes('\n')));
    if (text.startsWith('[')) return;
    const two = readManifests('f.yaml', `${text}\n---\n${POD}`);
    assert.deepEqual(
      two.objects.map(({ name }) => name),
      ['a'],
    );
  });
}

function bomb(): string {
  const layers = Array.from({ length: 8 }, (_, n) => {
    const alias = `*a${n}`;
    return `a${n + 1}: &a${n + 1} [${Array.from({ length: 9 }, () => alias).join(', ')}]`;
  });
  return ['a0: &a0 [x, x, x]', ...layers].join('\n');
}

test('JSON that does not parse, or too deep, is named by file', () => {
  for (const text of ['{', '', '['.repeat(100_000)]) {
    const { objects, errors } = readManifests('f.json', text);
    assert.deepEqual(objects, []);
    assert.match(errors[0] ?? '', /^f\.json: /);
  }
});

test('names of the prototype are keys like others', () => {
  const text = POD.replace('name: a', 'name: a, labels: {__proto__: x, constructor: y}');
  const [object] = readManifests('f.yaml', text).objects;
  const metadata = object?.object['metadata'] as { labels: object };
  assert.deepEqual(Object.keys(metadata.labels).toSorted(), ['__proto__', 'constructor']);
  assert.equal(Object.hasOwn(metadata.labels, '__proto__'), true);
});
