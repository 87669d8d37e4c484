// Conditions keep the time of their last change of status.

import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { type Condition, setCondition } from '../../../src/crds/conditions.ts';

const NOON = Date.parse('2026-01-31T12:00:00.987Z');
const ready = {
  type: 'Ready',
  status: 'True',
  reason: 'Served',
  message: '',
  observedGeneration: 1,
} as const;
const stored: Condition = { ...ready, lastTransitionTime: '2026-01-01T00:00:00Z' };
const other: Condition = { ...stored, type: 'Other' };

suite('setCondition', () => {
  test('a new one comes last, in whole seconds', () => {
    const made = setCondition([other], ready, NOON);
    assert.deepEqual(made, [other, { ...ready, lastTransitionTime: '2026-01-31T12:00:00Z' }]);
  });
  test('the same status keeps its time, whatever else changes', () => {
    const next = { ...ready, reason: 'StillServed', message: 'm', observedGeneration: 2 };
    assert.deepEqual(setCondition([stored, other], next, NOON), [
      { ...next, lastTransitionTime: stored.lastTransitionTime },
      other,
    ]);
  });
  test('another status gets a new time', () => {
    const made = setCondition([stored], { ...ready, status: 'False' }, NOON);
    assert.deepEqual(made[0]?.lastTransitionTime, '2026-01-31T12:00:00Z');
  });
  test('a message is never longer than the schema allows', () => {
    const made = setCondition([], { ...ready, message: 'x'.repeat(40_000) }, NOON);
    assert.equal(made[0]?.message.length, 32_768);
  });
});
