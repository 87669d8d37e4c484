// JSON Pointers and field names of places in a document (RFC 6901).

import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { CodedError } from '../../../src/base/errors.ts';
import {
  formatField,
  formatPointer,
  type JsonPath,
  parsePointer,
  quote,
} from '../../../src/webhook/json-path.ts';

const places: readonly [path: JsonPath, pointer: string, field: string][] = [
  [[], '', ''],
  [['spec', 'volumes', 0, 'csi'], '/spec/volumes/0/csi', 'spec.volumes[0].csi'],
  [['metadata', 'labels', 'a.b/c'], '/metadata/labels/a.b~1c', 'metadata.labels["a.b/c"]'],
  [['m~n'], '/m~0n', '["m~n"]'],
  [['~1'], '/~01', '["~1"]'],
  [[''], '/', '[""]'],
  [['a', '__proto__'], '/a/__proto__', 'a["__proto__"]'],
];
for (const [path, pointer, field] of places) {
  test(`${JSON.stringify(path)} is ${pointer} as a pointer and ${field} as a field`, () => {
    assert.equal(formatPointer(path), pointer);
    assert.equal(formatField(path), field);
    assert.deepEqual(parsePointer(pointer), path.map(String));
  });
}

for (const pointer of ['a', 'a/b', '/a~', '/a~2', '/~/b']) {
  test(`"${pointer}" is no JSON Pointer`, () =>
    assert.throws(
      () => parsePointer(pointer),
      (thrown) => thrown instanceof CodedError && thrown.message.includes(pointer),
    ));
}

test('every path survives being written as a pointer and read again', () => {
  const token = fc.string({
    unit: fc.constantFrom('a', '/', '~', '0', '1', '"', '-', '\u{1f600}'),
  });
  fc.assert(
    fc.property(fc.array(token), (path) => {
      assert.deepEqual(parsePointer(formatPointer(path)), path);
    }),
  );
});

test('text from outside is escaped and cut', () => {
  assert.equal(quote('a\n\u001b"b'), '"a\\n\\u001b\\"b"');
  assert.equal(quote('x'.repeat(5000)), `"${'x'.repeat(64)}…"`);
});
