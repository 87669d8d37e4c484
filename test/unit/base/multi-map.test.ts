import assert from 'node:assert/strict';
import { test } from 'node:test';
import { addTo, type MultiMap, removeFrom } from '../../../src/base/multi-map.ts';

test('a key holds each value once, and is forgotten with its last one', () => {
  const map: MultiMap<string, number> = new Map();
  addTo(map, 'a', 1);
  addTo(map, 'a', 1);
  addTo(map, 'a', 2);
  addTo(map, 'b', 1);
  assert.deepEqual(map.get('a'), new Set([1, 2]));
  removeFrom(map, 'a', 1);
  assert.deepEqual(map.get('a'), new Set([2]));
  removeFrom(map, 'a', 2);
  assert.deepEqual([...map.keys()], ['b']);
});

test('what is not there is removed without a trace', () => {
  const map: MultiMap<string, number> = new Map();
  removeFrom(map, 'a', 1);
  addTo(map, 'b', 1);
  removeFrom(map, 'b', 2);
  assert.deepEqual(map, new Map([['b', new Set([1])]]));
});
