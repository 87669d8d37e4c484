// Pods and the volume that injection adds, for the tests of what is injected.

import assert from 'node:assert/strict';
import type { JsonObject, JsonValue } from '../../../src/template/json-value.ts';
import { mutatePod, type PodMutation } from '../../../src/webhook/mutate-pod.ts';
import { driverVolume, makeRequest, settings } from './pod-fixtures.ts';

export const mutate = (pod: JsonValue, labels: JsonObject = {}) =>
  mutatePod(makeRequest(pod, { namespace: { name: 'agents', labels } }), settings);
export const container = (name: string, more: JsonObject = {}) => ({ name, image: name, ...more });

export const socketVolume = { ...driverVolume, name: 'workload-socket' };

export function assertUntouched(mutation: PodMutation, reason: string, warning?: RegExp): void {
  assert.equal(mutation.reason, reason);
  assert.deepEqual(mutation.patch, []);
  if (warning === undefined) assert.deepEqual(mutation.warnings, []);
  else assert.match(mutation.warnings.join('\n'), warning);
}
