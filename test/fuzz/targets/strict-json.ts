// Strict JSON: whatever it takes, JSON.parse takes too, and means the same by it.

import assert from 'node:assert/strict';
import { type JsonValue, parseStrictJson } from '../../../src/spiffe/strict-json.ts';
import { accepted, type FuzzTarget, textOf } from '../fuzz-target.ts';

export const STRICT_JSON: FuzzTarget = {
  name: 'strict-json',
  dictionary: [
    '{"a":',
    '[',
    ']',
    '}',
    ',',
    ':',
    '"',
    '\\',
    '\\u0000',
    '\\ud800',
    '\\udc00',
    '"__proto__":',
    '"constructor":',
    'true',
    'null',
    '1e999',
    '-0',
    '0.1E+2',
    '\xef\xbb\xbf',
    '\xc0\x80',
    '\xed\xa0\x80',
  ],
  maxBytes: 8192,
  run: (input) => {
    const limits = { field: 'json', maxBytes: 4096 };
    const value = accepted(() => parseStrictJson(input, limits));
    if (value === undefined) return;
    assert.ok(input.length <= 4096);
    assert.deepEqual(plain(value), nullPrototypes(JSON.parse(textOf(input))));
  },
};

function plain(value: JsonValue): unknown {
  if (value instanceof Map) return objectOf([...value].map(([name, item]) => [name, plain(item)]));
  return Array.isArray(value) ? value.map(plain) : value;
}

function nullPrototypes(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(nullPrototypes);
  if (typeof value !== 'object' || value === null) return value;
  return objectOf(Object.entries(value).map(([name, item]) => [name, nullPrototypes(item)]));
}

function objectOf(entries: readonly (readonly [string, unknown])[]): unknown {
  const made = Object.create(null) as Record<string, unknown>;
  for (const [name, value] of entries) {
    Object.defineProperty(made, name, { value, enumerable: true, configurable: true });
  }
  return made;
}
