// JSON that means one thing only: what JSON.parse reads is read alike, what it hides is refused.

import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import * as fc from 'fast-check';
import { CodedError } from '../../../src/base/errors.ts';
import {
  type JsonValue,
  MAX_JSON_DEPTH,
  parseStrictJson,
  parseStrictJsonObject,
} from '../../../src/spiffe/strict-json.ts';

const limits = { field: 'document', maxBytes: 100_000 };
const parse = (text: string) => parseStrictJson(Buffer.from(text), limits);
const refused = (rule: RegExp) => (thrown: unknown) =>
  thrown instanceof CodedError && thrown.code === 'invalid-argument' && rule.test(thrown.message);

/** The same value in the shapes of JSON.parse; names such as __proto__ become own members. */
function toPlain(value: JsonValue): unknown {
  if (value instanceof Map) {
    return Object.fromEntries([...value].map(([name, member]) => [name, toPlain(member)]));
  }
  return Array.isArray(value) ? value.map(toPlain) : value;
}

suite('refused', () => {
  const nested = (depth: number) => `${'['.repeat(depth)}${']'.repeat(depth)}`;
  const cases: readonly [name: string, text: string, rule: RegExp][] = [
    ['TB-15 a name twice', '{"a":1,"a":1}', /has a name twice at offset 10/],
    ['TB-15 a name twice, once escaped', '{"a":1,"\\u0061":1}', /has a name twice/],
    ['TB-15 a name twice, deeper', '{"k":[{"__proto__":1,"__proto__":2}]}', /has a name twice/],
    ['more than 16 deep', nested(MAX_JSON_DEPTH + 1), /deeper than 16/],
    ['nothing', '', /not JSON/],
    ['two values', '1 2', /more than one value/],
    ['a trailing comma', '[1,]', /not JSON/],
    ['a trailing comma in an object', '{"a":1,}', /not JSON/],
    ['an unquoted name', '{a:1}', /not JSON/],
    ['a leading zero', '01', /more than one value/],
    ['a plus sign', '+1', /not JSON/],
    ['a number out of range', '1e400', /out of range/],
    ['NaN', 'NaN', /not JSON/],
    ['an open string', '"a', /string without an end/],
    ['an open string that ends in an escape', '"a\\"', /string without an end/],
    ['a control character', '"\n"', /malformed string/],
    ['an unknown escape', '"\\x41"', /malformed string/],
    ['half of a surrogate pair', '"\\ud800"', /surrogate/],
    ['a byte order mark', '\ufeff1', /not JSON/],
    ['a comment', '1 // one', /more than one value/],
  ];
  for (const [name, text, rule] of cases) {
    test(name, () => assert.throws(() => parse(text), refused(rule)));
  }
  test('bytes that are not UTF-8', () => {
    assert.throws(() => parseStrictJson(Uint8Array.of(0x22, 0xff, 0x22), limits), refused(/UTF-8/));
  });
  test('more bytes than allowed', () => {
    const small = { field: 'document', maxBytes: 3 };
    assert.throws(() => parseStrictJson(Buffer.from('1234'), small), refused(/4 bytes exceed 3/));
  });
  test('another value where an object is wanted', () => {
    assert.throws(
      () => parseStrictJsonObject(Buffer.from('[]'), limits),
      refused(/not a JSON object/),
    );
  });
});

suite('read', () => {
  test('names of the object prototype are names', () => {
    const value = parse('{"__proto__":{"a":1},"constructor":2,"toString":3,"hasOwnProperty":4}');
    assert.ok(value instanceof Map);
    assert.deepEqual([...value.keys()], ['__proto__', 'constructor', 'toString', 'hasOwnProperty']);
    assert.equal(value.get('valueOf'), undefined);
  });
  test('16 deep', () => {
    const text = `${'['.repeat(16)}${']'.repeat(16)}`;
    assert.deepEqual(parse(text), JSON.parse(text));
  });
  test('strings of backslashes and quotes', () => {
    const value = ['\\', '"', '\\"', '\\\\', '\\\\"', ''];
    assert.deepEqual(parse(JSON.stringify(value)), value);
  });
  test('a long string in linear time', () => {
    const value = '\\"'.repeat(20_000);
    assert.equal(parse(JSON.stringify(value)), value);
  });
});

suite('properties', () => {
  const json = fc.jsonValue({ maxDepth: 5, noUnicodeString: false });
  test('whatever JSON.stringify writes is read as JSON.parse reads it', () => {
    fc.assert(
      fc.property(json, fc.constantFrom(undefined, 1, '\t'), (value, indent) => {
        const text = JSON.stringify(value, null, indent);
        assert.deepEqual(toPlain(parse(text)), JSON.parse(text));
      }),
    );
  });
  test('a mutated text is refused with a coded error, or read as JSON.parse reads it', () => {
    const mutation = fc.tuple(fc.nat(), fc.constantFrom(...'{}[]",:\\0-.eu \n'.split('')));
    fc.assert(
      fc.property(json, mutation, (value, [place, character]) => {
        const text = JSON.stringify(value);
        const at = place % (text.length + 1);
        // Cutting a surrogate pair makes UTF-8 that reads as another text.
        const mutated = Buffer.from(text.slice(0, at) + character + text.slice(at + 1)).toString();
        let read: unknown;
        try {
          read = toPlain(parse(mutated));
        } catch (thrown) {
          assert.ok(thrown instanceof CodedError);
          return;
        }
        assert.deepEqual(read, JSON.parse(mutated));
      }),
      { numRuns: 1000 },
    );
  });
});
