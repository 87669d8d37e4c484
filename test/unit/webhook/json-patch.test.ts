// Applying the patches that injection makes (RFC 6902 §4.1).

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CodedError } from '../../../src/base/errors.ts';
import type { JsonValue } from '../../../src/template/json-value.ts';
import { appendTo, applyPatch } from '../../../src/webhook/json-patch.ts';

const add = (path: string, value: JsonValue) => ({ op: 'add', path, value }) as const;
const parse = (text: string): JsonValue => JSON.parse(text) as JsonValue;

const good: readonly [name: string, before: string, path: string, after: string][] = [
  ['the whole document', '{"a":1}', '', '"new"'],
  ['a new member', '{"a":1}', '/b', '{"a":1,"b":"new"}'],
  ['a member that was null', '{"a":null}', '/a', '{"a":"new"}'],
  ['a member deep down', '{"a":[{"b":{}}]}', '/a/0/b/c', '{"a":[{"b":{"c":"new"}}]}'],
  ['a member with an escaped name', '{}', '/a~1b~0c', '{"a/b~c":"new"}'],
  ['a member with an empty name', '{}', '/', '{"":"new"}'],
  ['a member named -', '{}', '/-', '{"-":"new"}'],
  ['the front of a list', '[1,2]', '/0', '["new",1,2]'],
  ['the middle of a list', '[1,2]', '/1', '[1,"new",2]'],
  ['one past the end of a list', '[1,2]', '/2', '[1,2,"new"]'],
  ['the end of a list', '[1,2]', '/-', '[1,2,"new"]'],
  ['the end of an empty list', '[]', '/-', '["new"]'],
];
for (const [name, before, path, after] of good) {
  test(`add reaches ${name}`, () => {
    const document = parse(before);
    assert.deepEqual(applyPatch(document, [add(path, 'new')]), parse(after));
    assert.deepEqual(document, parse(before), 'the document itself stays as it is');
  });
}

const bad: readonly [name: string, before: string, path: string][] = [
  ['a parent that is not there', '{}', '/a/b'],
  ['a parent that is inherited', '{}', '/constructor/name'],
  ['a parent that is a string', '{"a":"x"}', '/a/0'],
  ['a parent that is null', '{"a":null}', '/a/b'],
  ['an index past the end', '[1]', '/2'],
  ['an item past the end', '[{}]', '/1/a'],
  ['an item at the end', '[[1]]', '/-/-'],
  ['an index with a leading zero', '[1]', '/00'],
  ['a negative index', '[1]', '/-1'],
  ['a name in a list', '[1]', '/length'],
  ['a malformed pointer', '{}', 'a'],
];
for (const [name, before, path] of bad) {
  test(`add refuses ${name}`, () =>
    assert.throws(
      () => applyPatch(parse(before), [add(path, 'new')]),
      (thrown) =>
        thrown instanceof CodedError &&
        thrown.code === 'invalid-argument' &&
        thrown.message.includes(path),
    ));
}

test('a name such as __proto__ becomes an own member and nobody’s prototype', () => {
  const patched = applyPatch({}, [add('/__proto__', {}), add('/__proto__/polluted', true)]);
  assert.equal(JSON.stringify(patched), '{"__proto__":{"polluted":true}}');
  assert.equal('polluted' in {}, false);
  assert.equal(Object.getPrototypeOf(patched), Object.prototype);
});

test('a patch that fails half-way leaves nothing behind', () => {
  const document = { a: [1] };
  assert.throws(() => applyPatch(document, [add('/a/-', 2), add('/x/y', 3)]));
  assert.deepEqual(document, { a: [1] });
});

test('appending makes the list when there is none', () => {
  assert.deepEqual(appendTo(['a', 'b/c'], undefined, [1, 2]), [add('/a/b~1c', [1, 2])]);
  assert.deepEqual(appendTo(['a'], [], [1, 2]), [add('/a/-', 1), add('/a/-', 2)]);
  assert.deepEqual(appendTo(['a'], undefined, []), []);
});
