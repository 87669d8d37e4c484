// Which pods are injected, and which are left alone (compatibility 4.5, 4.8).

import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import type { JsonObject, JsonValue } from '../../../src/template/json-value.ts';
import { mutatePod } from '../../../src/webhook/mutate-pod.ts';
import { assertUntouched, mutate } from './mutation-fixtures.ts';
import { makePod, makeRequest, type PodParts, settings } from './pod-fixtures.ts';

suite('who asks', () => {
  const managed = { 'spiffe.io/spire-managed-identity': 'true' };
  const istio = { 'inject.istio.io/templates': 'sidecar, spire' };
  const cofide = { 'spiffe.cofide.io/enabled': 'true' };
  const modes = (value: JsonValue) => ({ 'spiffe.cofide.io/inject': value });
  const rows: readonly [name: string, pod: PodParts, namespace: JsonObject, reason: string][] = [
    ['nobody', { labels: {} }, {}, 'NotAsked'],
    ['the pod', { labels: { 'signet.dev/inject': 'true' } }, {}, 'Injected'],
    ['the namespace', { labels: {} }, { 'signet.dev/inject': 'true' }, 'Injected'],
    [
      'the namespace, but not the pod',
      { labels: { 'signet.dev/inject': 'false' } },
      { 'signet.dev/inject': 'true' },
      'OptedOut',
    ],
    [
      'the pod, but not the namespace',
      { labels: { 'signet.dev/inject': 'true' } },
      { 'signet.dev/inject': 'false' },
      'Injected',
    ],
    [
      'an annotation of the same name',
      { labels: {}, annotations: { 'signet.dev/inject': 'true' } },
      {},
      'NotAsked',
    ],
    ['a label that is no string', { labels: {} }, { 'signet.dev/inject': true }, 'NotAsked'],
    ['4.8 Cofide', { labels: {}, annotations: modes('csi') }, cofide, 'Injected'],
    ['4.8 Cofide in a list', { labels: {}, annotations: modes('x, csi') }, cofide, 'Injected'],
    ['4.8 Cofide without the namespace', { labels: {}, annotations: modes('csi') }, {}, 'NotAsked'],
    ['4.8 Cofide without the pod', { labels: {} }, cofide, 'NotAsked'],
    [
      '4.8 Cofide with an unknown mode',
      { labels: {}, annotations: modes('csis') },
      cofide,
      'NotAsked',
    ],
    [
      '4.8 Cofide with a mode that is no string',
      { labels: {}, annotations: modes(['csi']) },
      cofide,
      'NotAsked',
    ],
    [
      '4.8 Cofide, but the pod opts out',
      { labels: { 'signet.dev/inject': 'false' }, annotations: modes('csi') },
      cofide,
      'OptedOut',
    ],
    ['4.8 SPIRE-managed', { labels: managed }, {}, 'Injected'],
    [
      '4.8 SPIRE-managed "false"',
      { labels: { 'spiffe.io/spire-managed-identity': 'false' } },
      {},
      'NotAsked',
    ],
    ['4.8 SPIRE-managed by Istio', { labels: managed, annotations: istio }, {}, 'LeftToIstio'],
    [
      '4.8 SPIRE-managed with another Istio template',
      { labels: managed, annotations: { 'inject.istio.io/templates': 'sidecar,inspire' } },
      {},
      'Injected',
    ],
    [
      '4.8 SPIRE-managed by Istio, in a namespace that asks',
      { labels: managed, annotations: istio },
      { 'signet.dev/inject': 'true' },
      'Injected',
    ],
  ];
  for (const [name, pod, namespace, reason] of rows) {
    test(`${name}: ${reason}`, () => {
      const mutation = mutate(makePod(pod), namespace);
      assert.equal(mutation.reason, reason);
      assert.equal(mutation.patch.length > 0, reason === 'Injected');
      assert.deepEqual(mutation.warnings, []);
    });
  }

  test('a label with another value is warned about and counts as absent', () => {
    const pod = makePod({ labels: { 'signet.dev/inject': 'yes' } });
    const warning = /^metadata\.labels\["signet\.dev\/inject"\]: must be "true" or "false"$/;
    assertUntouched(mutate(pod), 'NotAsked', warning);
    const asked = mutate(pod, { 'signet.dev/inject': 'true' });
    assert.equal(asked.reason, 'Injected');
    assert.match(asked.warnings.join(), warning);
  });

  for (const mode of ['helper', 'proxy']) {
    test(`4.8 Cofide's ${mode} implies the volume, and the missing sidecar is warned about`, () => {
      const { reason, warnings } = mutate(
        makePod({ labels: {}, annotations: modes(`csi,${mode}`) }),
        cofide,
      );
      assert.equal(reason, 'Injected');
      assert.equal(warnings.length, 1);
      assert.match(warnings[0] ?? '', new RegExp(`spiffe.cofide.io/inject.*"${mode}".*no sidecar`));
    });
  }
});

suite('never injected', () => {
  const excluded: readonly [name: string, pod: PodParts, reason: string][] = [
    ['a mirror pod', { annotations: { 'kubernetes.io/config.mirror': 'b7a1' } }, 'MirrorPod'],
    ['a Windows pod', { spec: { os: { name: 'windows' } } }, 'WindowsPod'],
    [
      'a pod for Windows nodes',
      { spec: { nodeSelector: { 'kubernetes.io/os': 'windows' } } },
      'WindowsPod',
    ],
    ['a pod on its node’s network', { spec: { hostNetwork: true } }, 'HostNetworkPod'],
    ['a node-critical pod', { spec: { priorityClassName: 'system-node-critical' } }, 'CriticalPod'],
    [
      'a cluster-critical pod',
      { spec: { priorityClassName: 'system-cluster-critical' } },
      'CriticalPod',
    ],
  ];
  for (const [name, parts, reason] of excluded) {
    test(`${name}, with a warning when it asks`, () => {
      assertUntouched(mutate(makePod(parts)), reason, /^not injected: /);
      assertUntouched(mutate(makePod({ ...parts, labels: {} })), 'NotAsked');
    });
  }

  test('the neighbours of those', () => {
    for (const spec of [
      { os: { name: 'linux' } },
      { nodeSelector: { 'kubernetes.io/os': 'linux' } },
      { hostNetwork: false },
      { priorityClassName: 'critical' },
    ]) {
      assert.equal(mutate(makePod({ spec })).reason, 'Injected', JSON.stringify(spec));
    }
  });

  for (const name of ['kube-system', 'signet-system']) {
    test(`a pod in ${name}, whatever its own metadata says`, () => {
      const request = makeRequest(makePod(), { namespace: { name, labels: {} } });
      assertUntouched(mutatePod(request, settings), 'NamespaceExcluded', new RegExp(name));
    });
  }

  for (const [operation, subresource] of [
    ['UPDATE', ''],
    ['DELETE', ''],
    ['CONNECT', 'exec'],
    ['CREATE', 'binding'],
    ['CREATE', 'ephemeralcontainers'],
  ] as const) {
    test(`a request to ${operation} ${subresource || 'pods'}`, () =>
      assertUntouched(
        mutatePod(makeRequest(makePod(), { operation, subresource }), settings),
        'NotApplicable',
      ));
  }
});

suite('malformed pods are left alone, with the field named', () => {
  const rows: readonly [pod: JsonValue, field: RegExp][] = [
    [null, /^pod: /],
    ['pod', /^pod: /],
    [[], /^pod: /],
    [{ spec: {} }, /^metadata: missing/],
    [{ metadata: {} }, /^spec: missing/],
    [{ metadata: [], spec: {} }, /^metadata: must be an object/],
    [{ metadata: { labels: 'a' }, spec: {} }, /^metadata\.labels: /],
    [makePod({ spec: { volumes: {} } }), /^spec\.volumes: must be a list/],
    [makePod({ spec: { volumes: [1] } }), /^spec\.volumes\[0\]: /],
    [makePod({ spec: { volumes: [{ csi: 'x' }] } }), /^spec\.volumes\[0\]\.csi: /],
    [makePod({ spec: { containers: [null] } }), /^spec\.containers\[0\]: /],
    [
      makePod({ spec: { initContainers: [{ env: [[]] }] } }),
      /^spec\.initContainers\[0\]\.env\[0\]: /,
    ],
  ];
  for (const [pod, field] of rows) {
    test(field.source, () => assertUntouched(mutate(pod), 'Malformed', field));
  }

  test('inherited names are no labels', () => {
    const pod = JSON.parse(
      '{"metadata":{"labels":{"__proto__":{"signet.dev/inject":"true"}}},"spec":{}}',
    ) as JsonValue;
    assertUntouched(mutate(pod), 'NotAsked');
  });
});
