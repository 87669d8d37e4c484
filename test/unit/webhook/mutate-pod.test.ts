// What is injected into which pods, and what is left alone (compatibility 4.5, 4.8).

import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import type { JsonObject, JsonValue } from '../../../src/template/json-value.ts';
import { injectionTable } from '../../../src/webhook/injection-table.ts';
import { applyPatch } from '../../../src/webhook/json-patch.ts';
import { mutatePod, type PodMutation } from '../../../src/webhook/mutate-pod.ts';
import {
  driverVolume,
  env,
  makePod,
  makeRequest,
  mount,
  type PodParts,
  settings,
} from './pod-fixtures.ts';

const mutate = (pod: JsonValue, labels: JsonObject = {}) =>
  mutatePod(makeRequest(pod, { namespace: { name: 'agents', labels } }), settings);
const container = (name: string, more: JsonObject = {}) => ({ name, image: name, ...more });
const otherVolume = { name: 'data', emptyDir: {} };
const socketVolume = { ...driverVolume, name: 'workload-socket' };
const socketMount = { name: 'workload-socket', mountPath: '/run/secrets/workload-spiffe-uds' };

function assertUntouched(mutation: PodMutation, reason: string, warning?: RegExp): void {
  assert.equal(mutation.reason, reason);
  assert.deepEqual(mutation.patch, []);
  if (warning === undefined) assert.deepEqual(mutation.warnings, []);
  else assert.match(mutation.warnings.join('\n'), warning);
}

suite('the patch', () => {
  test('4.5 a bare pod gets annotation, volume, mount and variable', () => {
    assert.deepEqual(mutate(makePod()), {
      patch: [
        { op: 'add', path: '/metadata/annotations', value: { 'signet.dev/injected': 'true' } },
        { op: 'add', path: '/spec/volumes', value: [driverVolume] },
        { op: 'add', path: '/spec/containers/0/volumeMounts', value: [mount] },
        { op: 'add', path: '/spec/containers/0/env', value: [env] },
      ],
      warnings: [],
      reason: 'Injected',
    });
  });

  test('what is there already is appended to, and a slash in a name is escaped', () => {
    const pod = makePod({
      annotations: { note: 'x' },
      spec: {
        volumes: [otherVolume],
        containers: [
          container('main', {
            volumeMounts: [{ name: 'data', mountPath: '/data' }],
            env: [{ name: 'A', value: 'a' }],
          }),
        ],
      },
    });
    assert.deepEqual(mutate(pod).patch, [
      { op: 'add', path: '/metadata/annotations/signet.dev~1injected', value: 'true' },
      { op: 'add', path: '/spec/volumes/-', value: driverVolume },
      { op: 'add', path: '/spec/containers/0/volumeMounts/-', value: mount },
      { op: 'add', path: '/spec/containers/0/env/-', value: env },
    ]);
  });

  test('null lists and maps count as absent', () => {
    const pod = makePod({
      spec: {
        volumes: null,
        initContainers: null,
        containers: [container('main', { volumeMounts: null, env: null })],
      },
    });
    const patched = applyPatch(pod, mutate(pod).patch);
    assert.deepEqual((patched as { spec: JsonObject }).spec, {
      volumes: [driverVolume],
      initContainers: null,
      containers: [container('main', { volumeMounts: [mount], env: [env] })],
    });
  });

  test('4.5 init containers and native sidecars are served too', () => {
    const pod = makePod({
      spec: {
        initContainers: [container('setup'), container('proxy', { restartPolicy: 'Always' })],
        containers: [container('main'), container('second')],
      },
    });
    const paths = mutate(pod).patch.map(({ path }) => path);
    for (const at of ['initContainers/0', 'initContainers/1', 'containers/0', 'containers/1']) {
      assert.ok(paths.includes(`/spec/${at}/volumeMounts`), at);
      assert.ok(paths.includes(`/spec/${at}/env`), at);
    }
  });

  test('KU-18 V1 the volume is read-only and of the driver this installation serves', () => {
    const { patch } = mutatePod(makeRequest(makePod()), {
      ...settings,
      driverName: 'b.csi.spiffe.io',
    });
    assert.deepEqual(patch[1]?.value, [
      { name: 'spiffe-workload-api', csi: { driver: 'b.csi.spiffe.io', readOnly: true } },
    ]);
  });

  test('everything added is a row of the table', () => {
    const table = injectionTable(settings.driverName);
    const added = mutate(makePod({ spec: { volumes: [] } })).patch.map(({ value }) => value);
    assert.deepEqual(added, [
      { [table.annotation.name]: table.annotation.value },
      table.volume,
      [{ name: table.volume.name, ...table.mount }],
      [table.env],
    ]);
  });
});

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

suite('what the author wrote stays', () => {
  test('4.5 a pod that mounts the driver in some containers has chosen them', () => {
    const pod = makePod({
      spec: {
        initContainers: [container('init-tls', { volumeMounts: [mount] })],
        containers: [container('main'), container('refresh-tls', { volumeMounts: [mount] })],
        volumes: [driverVolume],
      },
    });
    assertUntouched(mutate(pod), 'MountedByAuthor');
  });

  test('4.5 a volume of the driver under another name and path', () => {
    const pod = makePod({
      spec: {
        containers: [
          container('main', {
            volumeMounts: [{ name: 'agent', mountPath: '/spire-workload-api' }],
          }),
        ],
        volumes: [{ ...driverVolume, name: 'agent' }],
      },
    });
    assertUntouched(mutate(pod), 'MountedByAuthor');
  });

  test('a declared but unmounted volume of the driver is used under its own name', () => {
    const pod = makePod({ spec: { volumes: [otherVolume, { ...driverVolume, name: 'agent' }] } });
    assert.deepEqual(
      mutate(pod)
        .patch.map(({ path, value }) => [path, value])
        .slice(1),
      [
        ['/spec/containers/0/volumeMounts', [{ ...mount, name: 'agent' }]],
        ['/spec/containers/0/env', [env]],
      ],
    );
  });

  test('another driver’s volume is not ours', () => {
    const other = { name: 'agent', csi: { driver: 'upstream.csi.spiffe.io', readOnly: true } };
    const pod = makePod({
      spec: {
        containers: [container('main', { volumeMounts: [{ name: 'agent', mountPath: '/agent' }] })],
        volumes: [other],
      },
    });
    assert.equal(mutate(pod).reason, 'Injected');
  });

  test('another kind of volume under our name', () => {
    const pod = makePod({
      spec: { volumes: [{ name: 'spiffe-workload-api', hostPath: { path: '/run/spire' } }] },
    });
    assertUntouched(mutate(pod), 'VolumeNameTaken', /volume spiffe-workload-api is not one of/);
  });

  test('the variable, whatever it is set to', () => {
    const own = { name: 'SPIFFE_ENDPOINT_SOCKET', value: 'unix:///spiffe-workload-api/agent.sock' };
    const pod = makePod({ spec: { containers: [container('main', { env: [own] })] } });
    const paths = mutate(pod).patch.map(({ path }) => path);
    assert.ok(paths.includes('/spec/containers/0/volumeMounts'));
    assert.ok(!paths.some((path) => path.includes('/env')));
  });

  for (const mountPath of [
    '/spiffe-workload-api',
    '/spiffe-workload-api/',
    '//spiffe-workload-api/.',
    'spiffe-workload-api',
    '/spiffe-workload-api/certs',
  ]) {
    test(`a mount at ${mountPath}, and the other containers are served`, () => {
      const taken = container('taken', { volumeMounts: [{ name: 'data', mountPath }] });
      const both = makePod({
        spec: { volumes: [otherVolume], containers: [taken, container('free')] },
      });
      const { patch, warnings, reason } = mutate(both);
      assert.equal(reason, 'Injected');
      assert.ok(!patch.some(({ path }) => path.startsWith('/spec/containers/0/')));
      assert.ok(patch.some(({ path }) => path.startsWith('/spec/containers/1/')));
      assert.match(warnings.join(), /^spec\.containers\[0\]\.volumeMounts: .* is taken/);
      const one = makePod({ spec: { volumes: [otherVolume], containers: [taken] } });
      assertUntouched(mutate(one), 'MountPathTaken', /is taken/);
    });
  }

  test('a mount beside our path is none at it', () => {
    const beside = { name: 'data', mountPath: '/spiffe-workload-api-2' };
    const pod = makePod({ spec: { containers: [container('main', { volumeMounts: [beside] })] } });
    assert.deepEqual(mutate(pod).warnings, []);
    assert.equal(mutate(pod).reason, 'Injected');
  });
});

suite('several passes', () => {
  test('a second pass adds nothing', () => {
    const once = applyPatch(makePod(), mutate(makePod()).patch);
    assertUntouched(mutate(once), 'NothingToAdd');
  });

  test('a container that another injector brings in afterwards is served on the next pass', () => {
    const once = applyPatch(makePod(), mutate(makePod()).patch);
    const more = applyPatch(once, [
      { op: 'add', path: '/spec/containers/0', value: container('sidecar') },
    ]);
    assert.deepEqual(mutate(more), {
      patch: [
        { op: 'add', path: '/spec/containers/0/volumeMounts', value: [mount] },
        { op: 'add', path: '/spec/containers/0/env', value: [env] },
      ],
      warnings: [],
      reason: 'Injected',
    });
  });

  test('4.8 Istio’s proxy keeps its own volume, whoever came first', () => {
    const annotations = { 'inject.istio.io/templates': 'sidecar,spire' };
    const proxy = container('istio-proxy', { volumeMounts: [socketMount] });
    const before = makePod({
      annotations,
      spec: { containers: [container('main'), proxy], volumes: [socketVolume] },
    });
    const istioFirst = applyPatch(before, mutate(before).patch);

    const bare = makePod({ annotations });
    const istioSecond = applyPatch(bare, [
      ...mutate(bare).patch,
      { op: 'add', path: '/spec/containers/-', value: proxy },
      { op: 'add', path: '/spec/volumes/0', value: socketVolume },
    ]);
    assertUntouched(mutate(istioSecond), 'NothingToAdd');
    assert.deepEqual(istioSecond, istioFirst);
    assert.deepEqual((istioFirst as { spec: JsonObject }).spec, {
      containers: [container('main', { volumeMounts: [mount], env: [env] }), proxy],
      volumes: [socketVolume, driverVolume],
    });
  });
});

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
