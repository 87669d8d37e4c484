// Label selectors: what is read, and what the API server would refuse.

import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { parseLabelSelector } from '../../../src/crds/label-selector.ts';
import type { JsonValue } from '../../../src/template/json-value.ts';

const expression = (item: JsonValue) => ({ matchExpressions: [item] });

suite('read', () => {
  test('A2 an empty selector has no requirements', () => {
    assert.deepEqual(parseLabelSelector({}, 's'), { requirements: [] });
  });
  for (const operator of ['In', 'NotIn'] as const) {
    test(`${operator} with values, an empty one among them`, () => {
      const item = { key: 'constructor', operator, values: ['a', ''] };
      assert.deepEqual(parseLabelSelector(expression(item), 's').requirements, [item]);
    });
  }
  for (const operator of ['Exists', 'DoesNotExist'] as const) {
    test(`${operator} without values`, () => {
      const item = { key: 'example.org/a', operator };
      assert.deepEqual(parseLabelSelector(expression(item), 's').requirements, [
        { ...item, values: [] },
      ]);
    });
  }
  test('labels named like methods, with `__proto__` refused as any name that is none', () => {
    const labels = JSON.parse('{"matchLabels":{"constructor":"x","toString":"y"}}') as JsonValue;
    assert.deepEqual(
      parseLabelSelector(labels, 's').requirements.map(({ key, values }) => [key, ...values]),
      [
        ['constructor', 'x'],
        ['toString', 'y'],
      ],
    );
    const bad = JSON.parse('{"matchLabels":{"__proto__":"x"}}') as JsonValue;
    assert.throws(() => parseLabelSelector(bad, 's'), /s\.matchLabels: "__proto__" is not a label/);
  });
});

suite('refused', () => {
  const rows: readonly [string, JsonValue, RegExp][] = [
    ['no object', [], /^s: must be an object/],
    ['labels as a list', { matchLabels: [] }, /matchLabels: must be a map/],
    ['a number as value', { matchLabels: { a: 1 } }, /matchLabels\["a"\]: must be a string/],
    ['a bad value', { matchLabels: { a: 'x y' } }, /"x y" is not a label value/],
    ['a bad key', { matchLabels: { 'a b': 'x' } }, /"a b" is not a label key/],
    ['a bad prefix', { matchLabels: { 'A_/b': 'x' } }, /is not a label key/],
    ['expressions as a map', { matchExpressions: {} }, /matchExpressions: must be a list/],
    ['no key', expression({ operator: 'Exists' }), /matchExpressions\[0\]\.key: must be a string/],
    ['no operator', expression({ key: 'a' }), /operator: must be one of/],
    ['lower case', expression({ key: 'a', operator: 'in', values: ['x'] }), /operator: must be/],
    ['A2 In with nothing', expression({ key: 'a', operator: 'In', values: [] }), /not be empty/],
    ['NotIn with nothing', expression({ key: 'a', operator: 'NotIn' }), /not be empty/],
    [
      'Exists with a value',
      expression({ key: 'a', operator: 'Exists', values: ['x'] }),
      /be empty/,
    ],
    [
      'DoesNotExist with a value',
      expression({ key: 'a', operator: 'DoesNotExist', values: ['x'] }),
      /must be empty/,
    ],
  ];
  for (const [name, selector, message] of rows) {
    test(name, () => {
      assert.throws(() => parseLabelSelector(selector, 's'), { message });
    });
  }
});
