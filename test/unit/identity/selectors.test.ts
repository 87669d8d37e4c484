// Label selectors as the API server evaluates them.

import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { parseLabelSelector } from '../../../src/crds/label-selector.ts';
import { firstUnmet, formatRequirement, selects } from '../../../src/identity/selectors.ts';
import type { JsonObject } from '../../../src/template/json-value.ts';

// As it arrives: JSON.parse makes `__proto__` an own property.
const labelsOf = (text: string) => JSON.parse(text) as JsonObject;
const expression = (key: string, operator: string, values: readonly string[] = []) =>
  parseLabelSelector({ matchExpressions: [{ key, operator, values }] }, 'podSelector');

suite('A2, A3: operators', () => {
  const labels = labelsOf('{"app":"web","tier":"","constructor":"x"}');
  const rows: readonly [string, string, readonly string[], boolean][] = [
    ['app', 'In', ['db', 'web'], true],
    ['app', 'In', ['db'], false],
    ['app', 'In', ['Web'], false],
    ['missing', 'In', ['web'], false],
    ['tier', 'In', [''], true],
    ['missing', 'In', [''], false],
    ['app', 'NotIn', ['db'], true],
    ['app', 'NotIn', ['db', 'web'], false],
    ['missing', 'NotIn', ['web'], true],
    ['app', 'Exists', [], true],
    ['tier', 'Exists', [], true],
    ['missing', 'Exists', [], false],
    ['app', 'DoesNotExist', [], false],
    ['missing', 'DoesNotExist', [], true],
    ['constructor', 'Exists', [], true],
    ['constructor', 'In', ['x'], true],
    ['toString', 'Exists', [], false],
    ['toString', 'DoesNotExist', [], true],
    ['toString', 'NotIn', ['x'], true],
    ['hasOwnProperty', 'Exists', [], false],
  ];
  for (const [key, operator, values, expected] of rows) {
    test(`A2: ${key} ${operator} (${values.join(', ')}) is ${expected}`, () => {
      assert.equal(selects(expression(key, operator, values), labels), expected);
    });
  }
});

test('A2, A3: no selector and an empty one select everything', () => {
  for (const labels of [{}, { app: 'web' }]) {
    assert.equal(selects(undefined, labels), true);
    assert.equal(selects(parseLabelSelector({}, 'podSelector'), labels), true);
    assert.equal(selects(parseLabelSelector({ matchLabels: {} }, 'podSelector'), labels), true);
  }
});

test('A2: a label called __proto__ gives a pod no other labels', () => {
  const labels = labelsOf('{"__proto__":{"app":"web"}}');
  assert.equal(selects(expression('app', 'Exists'), labels), false);
  assert.equal(selects(expression('app', 'In', ['web']), labels), false);
});

test('A2: matchLabels and matchExpressions are all required', () => {
  const selector = parseLabelSelector(
    {
      matchLabels: { app: 'web' },
      matchExpressions: [{ key: 'tier', operator: 'NotIn', values: ['test'] }],
    },
    'podSelector',
  );
  assert.equal(selects(selector, { app: 'web' }), true);
  assert.equal(selects(selector, { app: 'web', tier: 'test' }), false);
  assert.equal(selects(selector, { tier: 'prod' }), false);
  const unmet = firstUnmet(selector, { app: 'web', tier: 'test' });
  assert.equal(unmet && formatRequirement(unmet), 'tier NotIn (test)');
  assert.equal(firstUnmet(selector, { app: 'web' }), undefined);
});
