// What the API server would say of an object's schema, and what it would drop.

import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import * as fc from 'fast-check';
import { KINDS } from '../../../src/crds/custom-resource-definition.ts';
import { checkSchema } from '../../../src/crds/schema/check-schema.ts';
import { CLUSTER_SPIFFE_ID_SCHEMA } from '../../../src/crds/schema/cluster-spiffe-id-schema.ts';
import type { StructuralSchema } from '../../../src/crds/schema/structural-schema.ts';
import type { JsonValue } from '../../../src/template/json-value.ts';
import { makePolicy } from './manifest-fixtures.ts';

suite('checkSchema', () => {
  const text: StructuralSchema = { type: 'string' };
  const rows: readonly [string, StructuralSchema, JsonValue, readonly string[]][] = [
    ['a string', text, 'x', []],
    ['a number for a string', text, 3600, ['spec: must be a string']],
    ['null is no string', text, null, ['spec: must be a string']],
    ['a fraction', { type: 'integer' }, 1.5, ['spec: must be a whole number']],
    ['too small', { type: 'integer', minimum: 1 }, 0, ['spec: must be at least 1']],
    ['too large', { type: 'integer', maximum: 1 }, 2, ['spec: must be at most 1']],
    ['a word for a boolean', { type: 'boolean' }, 'true', ['spec: must be true or false']],
    ['a list for an object', { type: 'object' }, [], ['spec: must be an object']],
    ['an object for a list', { type: 'array' }, {}, ['spec: must be a list']],
    ['a wrong item', { type: 'array', items: text }, ['a', 1], ['spec[1]: must be a string']],
    ['few items', { type: 'array', minItems: 1 }, [], ['spec: must have at least 1 items']],
    ['many items', { type: 'array', maxItems: 1 }, [1, 2], ['spec: must have at most 1 items']],
    ['empty', { type: 'string', minLength: 1 }, '', ['spec: must not be empty']],
    ['code points, not units', { type: 'string', maxLength: 1 }, '😀', []],
    ['long', { type: 'string', maxLength: 1 }, 'ab', ['spec: must have at most 1 characters']],
    ['another word', { type: 'string', enum: ['a', 'b'] }, 'c', ['spec: must be one of a, b']],
    ['D1 an unanchored pattern', { type: 'string', pattern: '[a-z]+' }, 'A b', []],
    ['no match', { type: 'string', pattern: '[a-z]+' }, 'A', ['spec: must match [a-z]+']],
    ['a time', { type: 'string', format: 'date-time' }, '2026-01-31T12:00:00Z', []],
    [
      'a date',
      { type: 'string', format: 'date-time' },
      '2026-01-31',
      ['spec: must be a time such as 2026-01-31T12:00:00Z'],
    ],
    [
      'a time without zone',
      { type: 'string', format: 'date-time' },
      '2026-01-31T12:00:00',
      ['spec: must be a time such as 2026-01-31T12:00:00Z'],
    ],
    ['missing', { type: 'object', required: ['a'] }, {}, ['spec.a: must be set']],
    [
      'a null is missing',
      { type: 'object', required: ['a'] },
      { a: null },
      ['spec.a: must be set'],
    ],
    [
      'a null is dropped',
      { type: 'object', properties: { a: text }, required: [] },
      { a: null },
      [],
    ],
    ['of a map too', { type: 'object', additionalProperties: text }, { a: null }, []],
    ['but not of a list', { type: 'array', items: text }, [null], ['spec[0]: must be a string']],
    [
      'an inherited name is missing',
      { type: 'object', required: ['constructor'] },
      {},
      ['spec.constructor: must be set'],
    ],
    [
      'a value of a map',
      { type: 'object', additionalProperties: text },
      { 'a/b': 1 },
      ['spec["a/b"]: must be a string'],
    ],
    [
      'a large map',
      { type: 'object', additionalProperties: text, maxProperties: 1 },
      { a: '', b: '' },
      ['spec: must have at most 1 entries'],
    ],
  ];
  for (const [name, schema, value, errors] of rows) {
    test(name, () => {
      assert.deepEqual(checkSchema(schema, value, 'spec'), { errors, pruned: [] });
    });
  }

  test('A6 a number as ttl', () => {
    const { errors } = checkSchema(CLUSTER_SPIFFE_ID_SCHEMA, makePolicy({ ttl: 3600 }), '');
    assert.deepEqual(errors, ['spec.ttl: must be a string']);
  });

  test('unknown fields are pruned at any depth, metadata and labels never', () => {
    const object = {
      ...makePolicy({
        colour: 'red',
        podSelector: { matchLabels: { constructor: 'x' }, matchLabel: {} },
      }),
      metadata: { name: 'policy', whatever: 1 },
      constructor: 1,
    };
    assert.deepEqual(checkSchema(CLUSTER_SPIFFE_ID_SCHEMA, object, ''), {
      errors: [],
      pruned: ['spec.colour', 'spec.podSelector.matchLabel', 'constructor'],
    });
  });

  test('a list of wrong items is said in a few', () => {
    const many = Array.from({ length: 100_000 }, () => 1);
    const { errors } = checkSchema({ type: 'array', items: text }, many, 'spec');
    assert.equal(errors.length, 50);
  });

  test('never throws', () => {
    const json = fc.jsonValue() as fc.Arbitrary<JsonValue>;
    fc.assert(
      fc.property(fc.constantFrom(...KINDS), json, ({ schema }, value) => {
        const { errors } = checkSchema(schema, value, '');
        assert.equal(errors.length > 0, true);
      }),
    );
  });
});
