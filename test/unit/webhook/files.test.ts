// Files at admission: what annotations of a pod become, and which pods with files are refused.

import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { isJsonObject, type JsonObject, type JsonValue } from '../../../src/template/json-value.ts';
import { applyPatch } from '../../../src/webhook/json-patch.ts';
import { mutatePod } from '../../../src/webhook/mutate-pod.ts';
import { validatePod } from '../../../src/webhook/validate-pod.ts';
import { driverVolume, env, makePod, makeRequest, mount, settings } from './pod-fixtures.ts';

const ASKS = { 'signet.dev/files': 'true' };
const memory = { name: 'signet-files', emptyDir: { medium: 'Memory', sizeLimit: '1Mi' } };
const filesMount = { name: 'signet-files', mountPath: '/spiffe-files', readOnly: true };

function inject(pod: JsonObject) {
  const { patch, warnings, reason } = mutatePod(makeRequest(pod), settings);
  const patched = applyPatch(pod, patch);
  assert.ok(isJsonObject(patched) && isJsonObject(patched['spec']));
  return { pod: patched, spec: patched['spec'], warnings, reason };
}

const withAttributes = (attributes: JsonObject) => ({
  ...driverVolume,
  csi: { ...driverVolume.csi, volumeAttributes: attributes },
});

suite('a pod whose annotations ask for files', () => {
  test('gets memory, the attributes, and a mount to read in every container', () => {
    const annotations = { ...ASKS, 'signet.dev/jwt-audience': 'db', 'signet.dev/other': 'x' };
    const init = { name: 'init', image: 'init' };
    const { spec, warnings } = inject(makePod({ annotations, spec: { initContainers: [init] } }));
    assert.deepEqual(spec['volumes'], [
      withAttributes({ 'signet.dev/files': 'true', 'signet.dev/jwt-audience': 'db' }),
      memory,
    ]);
    const added = { volumeMounts: [mount, filesMount], env: [env] };
    assert.deepEqual(spec['containers'], [{ name: 'main', image: 'main', ...added }]);
    assert.deepEqual(spec['initContainers'], [{ ...init, ...added }]);
    assert.deepEqual(warnings, []);
  });

  test('and has a group: its files are for that group', () => {
    const securityContext = { fsGroup: 2000, runAsUser: 1000 };
    const { spec, warnings } = inject(makePod({ annotations: ASKS, spec: { securityContext } }));
    const [volume] = spec['volumes'] as readonly JsonValue[];
    assert.deepEqual(
      volume,
      withAttributes({ 'signet.dev/files': 'true', 'signet.dev/fs-group': '2000' }),
    );
    assert.deepEqual(warnings, []);
  });

  test('and runs as somebody else without a group is warned', () => {
    for (const securityContext of [{ runAsNonRoot: true }, { runAsUser: 1000, fsGroup: 0 }]) {
      const { spec, warnings } = inject(makePod({ annotations: ASKS, spec: { securityContext } }));
      assert.deepEqual(warnings, [
        'signet.dev/files: without securityContext.fsGroup only root can read the keys',
      ]);
      assert.ok(JSON.stringify(spec).includes('spiffe-files'), 'injected all the same');
    }
  });

  test('and has something at the path gets the socket, and is told', () => {
    const containers = [
      { name: 'main', volumeMounts: [{ name: 'data', mountPath: '/spiffe-files/x' }] },
    ];
    const { spec, warnings } = inject(makePod({ annotations: ASKS, spec: { containers } }));
    assert.deepEqual(warnings, [
      'spec.containers[0].volumeMounts: /spiffe-files is taken, so the container gets no files',
    ]);
    assert.ok(JSON.stringify(spec['containers']).includes('/spiffe-workload-api'));
  });

  test('and brings the memory keeps it', () => {
    const own = { name: 'signet-files', emptyDir: { medium: 'Memory' } };
    const { spec } = inject(makePod({ annotations: ASKS, spec: { volumes: [own] } }));
    assert.deepEqual((spec['volumes'] as readonly JsonValue[]).length, 2);
    assert.deepEqual((spec['volumes'] as readonly JsonValue[])[0], own);
  });

  test('and already has a volume of the driver: that volume’s attributes decide', () => {
    const refused = inject(makePod({ annotations: ASKS, spec: { volumes: [driverVolume] } }));
    assert.deepEqual(refused.spec['volumes'], [driverVolume]);
    assert.deepEqual(refused.warnings, [
      'spec.volumes[0].csi.volumeAttributes: has no signet.dev/files, so no files',
    ]);
    const own = withAttributes({ ...ASKS, 'signet.dev/files-volume': 'certs' });
    const { spec } = inject(makePod({ spec: { volumes: [own] } }));
    assert.deepEqual(spec['volumes'], [own, { ...memory, name: 'certs' }]);
  });

  test('is the same after a second pass, and a container in between gets its mounts', () => {
    const { pod } = inject(makePod({ annotations: ASKS }));
    assert.deepEqual(mutatePod(makeRequest(pod), settings).patch, []);
    const spec = pod['spec'] as JsonObject;
    const containers = [...(spec['containers'] as JsonValue[]), { name: 'sidecar' }];
    const again = inject({ ...pod, spec: { ...spec, containers } });
    assert.deepEqual((again.spec['containers'] as readonly JsonValue[])[1], {
      name: 'sidecar',
      volumeMounts: [mount, filesMount],
      env: [env],
    });
    assert.deepEqual(again.spec['volumes'], spec['volumes']);
  });

  test('with anything but true or false is warned', () => {
    const { spec, warnings } = inject(makePod({ annotations: { 'signet.dev/files': 'yes' } }));
    assert.deepEqual(spec['volumes'], [driverVolume]);
    assert.deepEqual(warnings, [
      'metadata.annotations["signet.dev/files"]: must be "true" or "false"',
    ]);
  });
});

suite('a pod with files is validated', () => {
  const judge = (spec: JsonObject) => validatePod(makeRequest(makePod({ spec })), settings);
  const volumes = [withAttributes(ASKS), memory];
  const containers = (more: JsonObject) => [
    { name: 'main', volumeMounts: [{ ...filesMount, ...more }] },
  ];

  test('what is injected is accepted', () => {
    const { pod } = inject(makePod({ annotations: ASKS }));
    const { allowed, warnings } = validatePod(makeRequest(pod), settings);
    assert.deepEqual([allowed, warnings], [true, []]);
  });

  const refused: readonly (readonly [string, JsonObject, RegExp])[] = [
    [
      'memory that is missing',
      { volumes: [withAttributes(ASKS)] },
      /spec\.volumes: signet-files is missing, an emptyDir with medium: Memory/,
    ],
    [
      'a mount that can be written',
      { volumes, containers: containers({ readOnly: false }) },
      /containers\[0\]\.volumeMounts\[0\]\.readOnly: must be true where files with keys are/,
    ],
    [
      'a mount of a part, which would not follow a rotation',
      { volumes, containers: containers({ subPath: 'tls.key' }) },
      /volumeMounts\[0\]\.subPath: must not be set where files are/,
    ],
    [
      'two volumes with files in one place',
      { volumes: [...volumes, { ...withAttributes(ASKS), name: 'second' }] },
      /volumes\[2\]\.csi\.volumeAttributes\["signet\.dev\/files-volume"\]: another volume has it/,
    ],
    [
      'a bad audience',
      { volumes: [withAttributes({ ...ASKS, 'signet.dev/jwt-audience': 'a,b' }), memory] },
      /volumeAttributes\["signet\.dev\/jwt-audience"\]: of several audiences/,
    ],
    [
      'a group without files',
      { volumes: [withAttributes({ 'signet.dev/fs-group': '5' })] },
      /volumeAttributes: signet\.dev\/fs-group: needs signet\.dev\/files: "true"/,
    ],
  ];
  for (const [name, spec, message] of refused) {
    test(`refused: ${name}`, () => {
      const answer = judge(spec);
      assert.equal(answer.allowed, false);
      assert.match(answer.message, message);
    });
  }

  test('an emptyDir on the disk is warned about: the node decides whether it may hold keys', () => {
    const { allowed, warnings } = judge({
      volumes: [withAttributes(ASKS), { name: 'signet-files', emptyDir: {} }],
    });
    assert.equal(allowed, true);
    assert.deepEqual(warnings, [
      'spec.volumes[1].emptyDir.medium: is not Memory; ' +
        'no keys are written there unless nodes allow keys on their disk',
    ]);
  });
});

suite('a debug container of a pod with files', () => {
  const volumes = [withAttributes(ASKS), memory];
  const debug = (name: string, readOnly: boolean): JsonObject => ({
    name,
    volumeMounts: [{ ...filesMount, readOnly }],
  });
  const judge = (before: readonly JsonObject[], after: readonly JsonObject[]) => {
    const podOf = (ephemeralContainers: readonly JsonObject[]) =>
      makePod({ spec: { volumes, ephemeralContainers } });
    const request = makeRequest(podOf(after), {
      operation: 'UPDATE',
      subresource: 'ephemeralcontainers',
      oldPod: podOf(before),
    });
    return validatePod(request, settings).message;
  };

  test('may read them, not write beside them', () => {
    assert.equal(judge([], [debug('a', true)]), '');
    assert.equal(judge([], [{ name: 'a' }]), '');
    assert.match(
      judge([debug('a', true)], [debug('a', true), debug('b', false)]),
      /^spec\.ephemeralContainers\[1\]\.volumeMounts\[0\]\.readOnly: must be true/,
    );
  });

  test('that is there already keeps nobody from adding another', () => {
    assert.equal(judge([debug('a', false)], [debug('a', false), debug('b', true)]), '');
  });
});
