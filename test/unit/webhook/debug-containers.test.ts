// What a debug container that is added to a running pod gets (compatibility 4.5, 4.8).

import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import type { JsonObject, JsonValue } from '../../../src/template/json-value.ts';
import { mutatePod } from '../../../src/webhook/mutate-pod.ts';
import { assertUntouched, container, socketVolume } from './mutation-fixtures.ts';
import { driverVolume, env, makePod, makeRequest, mount, settings } from './pod-fixtures.ts';

suite('debug containers', () => {
  const debugged = { 'signet.dev/inject-ephemeral': 'true' };
  const stored = (labels: JsonObject = debugged, spec: JsonObject = { volumes: [driverVolume] }) =>
    makePod({ labels, spec });
  const withDebug = (pod: JsonObject, ...containers: JsonObject[]): JsonObject => ({
    ...pod,
    spec: { ...(pod['spec'] as JsonObject), ephemeralContainers: containers },
  });
  const debug = (pod: JsonValue, oldPod: JsonValue, name = 'agents') =>
    mutatePod(
      makeRequest(pod, {
        operation: 'UPDATE',
        subresource: 'ephemeralcontainers',
        namespace: { name, labels: {} },
        oldPod,
      }),
      settings,
    );

  test('are served when the pod says so and has the volume', () => {
    assert.deepEqual(debug(withDebug(stored(), container('debug')), stored()), {
      patch: [
        { op: 'add', path: '/spec/ephemeralContainers/0/volumeMounts', value: [mount] },
        { op: 'add', path: '/spec/ephemeralContainers/0/env', value: [env] },
      ],
      warnings: [],
      reason: 'Injected',
    });
  });

  test('that are stored already stay as they are, for they may not be changed', () => {
    const before = withDebug(stored(), container('first'));
    const after = withDebug(stored(), container('first'), container('second'));
    const paths = debug(after, before).patch.map(({ path }) => path);
    assert.deepEqual(paths, [
      '/spec/ephemeralContainers/1/volumeMounts',
      '/spec/ephemeralContainers/1/env',
    ]);
    assertUntouched(debug(before, before), 'NothingToAdd');
  });

  test('use the volume under the name that the author gave it', () => {
    const pod = stored(debugged, { volumes: [{ ...driverVolume, name: 'agent' }] });
    const { patch } = debug(withDebug(pod, container('debug')), pod);
    assert.deepEqual(patch[0]?.value, [{ ...mount, name: 'agent' }]);
  });

  test('use our own volume before any other of the driver', () => {
    const pod = stored(debugged, { volumes: [socketVolume, driverVolume] });
    const { patch } = debug(withDebug(pod, container('debug')), pod);
    assert.deepEqual(patch[0]?.value, [mount]);
  });

  test('that mount the volume themselves stay as they are', () => {
    const own = container('debug', { volumeMounts: [{ ...mount, mountPath: '/x' }] });
    assertUntouched(debug(withDebug(stored(), own), stored()), 'NothingToAdd');
  });

  const refused: readonly [name: string, old: JsonObject, reason: string, warning?: RegExp][] = [
    ['without the label', stored({}), 'NotAsked'],
    ['with the label for injection only', stored({ 'signet.dev/inject': 'true' }), 'NotAsked'],
    ['of a pod that opts out', stored({ ...debugged, 'signet.dev/inject': 'false' }), 'OptedOut'],
    ['without the volume', stored(debugged, {}), 'NoVolume', /no volume/],
  ];
  for (const [name, old, reason, warning] of refused) {
    test(`${name} get nothing, and the stored pod decides that`, () => {
      const claimed = withDebug(stored(), container('debug'));
      assertUntouched(debug(claimed, old), reason, warning);
    });
  }

  test('in an excluded namespace get nothing', () =>
    assertUntouched(
      debug(withDebug(stored(), container('debug')), stored(), 'kube-system'),
      'NamespaceExcluded',
      /kube-system/,
    ));

  test('of an unknown stored pod get nothing', () =>
    assertUntouched(debug(withDebug(stored(), container('debug')), null), 'Malformed', /pod/));
});
