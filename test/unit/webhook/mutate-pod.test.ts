// What is injected into a pod, once and in several passes (compatibility 4.5, 4.8).

import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import type { JsonObject } from '../../../src/template/json-value.ts';
import { injectionTable } from '../../../src/webhook/injection-table.ts';
import { applyPatch } from '../../../src/webhook/json-patch.ts';
import { mutatePod } from '../../../src/webhook/mutate-pod.ts';
import { assertUntouched, container, mutate, socketVolume } from './mutation-fixtures.ts';
import { driverVolume, env, makePod, makeRequest, mount, settings } from './pod-fixtures.ts';

const otherVolume = { name: 'data', emptyDir: {} };

const socketMount = { name: 'workload-socket', mountPath: '/run/secrets/workload-spiffe-uds' };

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
