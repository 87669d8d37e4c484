// Pods that are refused or warned about for what they do with volumes of our driver.

import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import * as fc from 'fast-check';
import type { JsonObject, JsonValue } from '../../../src/template/json-value.ts';
import { applyPatch } from '../../../src/webhook/json-patch.ts';
import { mutatePod } from '../../../src/webhook/mutate-pod.ts';
import { validatePod } from '../../../src/webhook/validate-pod.ts';
import { arbitraryJson } from './arbitrary-json.ts';
import { driverVolume, makePod, makeRequest, mount, settings } from './pod-fixtures.ts';

const validate = (pod: JsonValue) => validatePod(makeRequest(pod), settings);

/** A pod that mounts our driver as it should, with one thing changed. */
function makeMounting(changes: { csi?: JsonObject; mount?: JsonObject; spec?: JsonObject }) {
  return makePod({
    spec: {
      volumes: [
        { name: 'data', emptyDir: {} },
        { ...driverVolume, csi: { ...driverVolume.csi, ...changes.csi } },
      ],
      containers: [
        {
          name: 'main',
          volumeMounts: [
            { name: 'data', mountPath: '/d' },
            { ...mount, ...changes.mount },
          ],
        },
      ],
      ...changes.spec,
    },
  });
}

const CSI = 'spec\\.volumes\\[1\\]\\.csi';
const MOUNT = 'spec\\.containers\\[0\\]\\.volumeMounts\\[1\\]';

test('a pod has four volumes of the driver, beside as many others as it likes', () => {
  const of = (count: number) => {
    const ours = Array.from({ length: count }, (_, at) => ({ ...driverVolume, name: `v${at}` }));
    const others = Array.from({ length: 5 }, (_, at) => ({ name: `o${at}`, emptyDir: {} }));
    return validate(makePod({ spec: { volumes: [...others, ...ours] } }));
  };
  assert.equal(of(4).allowed, true);
  assert.equal(of(5).message, 'spec.volumes[9]: a pod has at most 4 volumes of this driver');
});

suite('refused, with the field named', () => {
  const attribute = (name: string, value: JsonValue) => ({
    csi: { volumeAttributes: { [name]: value } },
  });
  const rows: readonly [string, Parameters<typeof makeMounting>[0], string][] = [
    ['V4 KU-18 a writable volume', { csi: { readOnly: false } }, `${CSI}\\.readOnly: must be true`],
    [
      'V4 a volume that does not say',
      { csi: { readOnly: null } },
      `${CSI}\\.readOnly: must be true`,
    ],
    ['a readOnly that is no boolean', { csi: { readOnly: 'true' } }, `${CSI}\\.readOnly: must be`],
    ['V4 a file system type', { csi: { fsType: 'ext4' } }, `${CSI}\\.fsType: must not be set`],
    [
      'a Secret for the driver',
      { csi: { nodePublishSecretRef: { name: 'tenant' } } },
      `${CSI}\\.nodePublishSecretRef: must not be set`,
    ],
    [
      'an unknown attribute',
      attribute('signet.dev/colour', 'red'),
      `${CSI}\\.volumeAttributes\\["signet.dev/colour"\\]: unknown volume attribute`,
    ],
    [
      'an attribute of another driver',
      attribute('spiffe.csi.cert-manager.io/fs-group', '1'),
      'unknown volume attribute',
    ],
    [
      'KU-03 forged pod info',
      attribute('csi.storage.k8s.io/pod.uid', 'victim'),
      'pod.uid"\\]: unknown volume attribute',
    ],
    [
      'an attribute named like a method',
      attribute('constructor', 'true'),
      'unknown volume attribute',
    ],
    [
      'an attribute with another value',
      attribute('signet.dev/require-identity', 'yes'),
      'require-identity"\\]: must be one of true, false',
    ],
    [
      'secret discovery asked for in another way',
      attribute('signet.dev/sds', 'Deny'),
      'sds"\\]: must be one of true, false',
    ],
    [
      'an attribute that is no string',
      attribute('signet.dev/require-identity', true),
      'require-identity"\\]: must be one of true, false',
    ],
    [
      'attributes that are no object',
      { csi: { volumeAttributes: 'a' } },
      `${CSI}\\.volumeAttributes: `,
    ],
    ['KU-15 a subPath', { mount: { subPath: 'spire-agent.sock' } }, `${MOUNT}\\.subPath: must not`],
    [
      'KU-15 a subPathExpr',
      { mount: { subPathExpr: '$(POD)' } },
      `${MOUNT}\\.subPathExpr: must not`,
    ],
    [
      'KU-15 a subPath in an init container',
      { spec: { initContainers: [{ volumeMounts: [{ ...mount, subPath: 'x' }] }] } },
      'spec\\.initContainers\\[0\\]\\.volumeMounts\\[0\\]\\.subPath',
    ],
  ];
  for (const [name, changes, message] of rows) {
    test(name, () => {
      const { allowed, message: given } = validate(makeMounting(changes));
      assert.equal(allowed, false);
      assert.match(given, new RegExp(message));
      assert.ok(!given.includes(';'), 'one mutation, one error');
    });
  }

  test('several faults in one answer', () => {
    const { message } = validate(
      makeMounting({ csi: { readOnly: false }, mount: { subPath: 'x' } }),
    );
    assert.match(message, /readOnly: .*; .*subPath: /);
  });

  test('very many faults in an answer of bounded length', () => {
    const names = Array.from({ length: 500 }, (_, index) => `${index}${'x'.repeat(5000)}`);
    const volumeAttributes = Object.fromEntries(names.map((name) => [name, '']));
    const { message } = validate(makeMounting({ csi: { volumeAttributes } }));
    assert.ok(message.length < 2500, String(message.length));
    assert.match(message, /; and 490 more$/);
  });

  test('a pod that cannot be read', () =>
    assert.deepEqual(validate(makePod({ spec: { volumes: {} } })), {
      allowed: false,
      message: 'spec.volumes: must be a list',
      warnings: [],
    }));
});

suite('allowed', () => {
  const fine = { allowed: true, message: '', warnings: [] };
  const rows: readonly [name: string, pod: JsonObject][] = [
    ['4.5 a pod that mounts the driver as it should', makeMounting({})],
    [
      'a known attribute',
      makeMounting({ csi: { volumeAttributes: { 'signet.dev/require-identity': 'true' } } }),
    ],
    [
      'secret discovery asked for',
      makeMounting({ csi: { volumeAttributes: { 'signet.dev/sds': 'true' } } }),
    ],
    [
      'empty optional fields',
      makeMounting({
        csi: { fsType: '', volumeAttributes: null, nodePublishSecretRef: null },
        mount: { subPath: '' },
      }),
    ],
    [
      'a subPath on another volume',
      makeMounting({
        spec: {
          initContainers: [{ volumeMounts: [{ name: 'data', mountPath: '/x', subPath: 'y' }] }],
        },
      }),
    ],
    [
      'anything on another driver',
      makeMounting({
        csi: { driver: 'other.example', readOnly: false, volumeAttributes: { a: 'b' } },
      }),
    ],
    ['a pod without volumes', makePod()],
  ];
  for (const [name, pod] of rows) test(name, () => assert.deepEqual(validate(pod), fine));

  test('what is stored already, so that finalizers come off', () => {
    const pod = makeMounting({ csi: { readOnly: false } });
    const request = makeRequest(pod, { operation: 'UPDATE', oldPod: pod });
    assert.deepEqual(validatePod(request, settings), fine);
    const debug = { ...request, subresource: 'ephemeralcontainers' };
    assert.deepEqual(validatePod(debug, settings), fine);
  });

  test('whatever injection makes of a pod', () => {
    const pod = applyPatch(makePod(), mutatePod(makeRequest(makePod()), settings).patch);
    assert.deepEqual(validate(pod), fine);
  });
});

suite('warned about', () => {
  const rows: readonly [name: string, spec: JsonObject, warning: RegExp][] = [
    ['KU-23 gVisor', { runtimeClassName: 'gvisor' }, /^spec\.runtimeClassName: .*--host-uds=open/],
    ['KU-23 runsc', { runtimeClassName: 'runsc-debug' }, /^spec\.runtimeClassName: .*gVisor/],
    ['KU-23 Kata', { runtimeClassName: 'kata' }, /^spec\.runtimeClassName: .*virtual machine/],
    ['KU-23 a kind of Kata', { runtimeClassName: 'kata-qemu' }, /^spec\.runtimeClassName: /],
    [
      'a shared process namespace',
      { shareProcessNamespace: true },
      /^spec\.shareProcessNamespace: /,
    ],
    ['the node’s process namespace', { hostPID: true }, /^spec\.hostPID: /],
  ];
  for (const [name, spec, warning] of rows) {
    test(name, () => {
      const { allowed, warnings } = validate(makeMounting({ spec }));
      assert.equal(allowed, true);
      assert.equal(warnings.length, 1);
      assert.match(warnings[0] ?? '', warning);
      assert.deepEqual(validate(makePod({ spec })).warnings, [], 'not without our volume');
    });
  }

  const mounting = (name: string) => ({ name, volumeMounts: [mount] });
  const sharing = (csi: JsonObject) =>
    validate(
      makeMounting({
        csi,
        spec: { containers: [mounting('envoy'), mounting('agent')], initContainers: [] },
      }),
    );
  test('secret discovery for more than the proxy', () => {
    const { allowed, warnings } = sharing({ volumeAttributes: { 'signet.dev/sds': 'true' } });
    assert.equal(allowed, true);
    assert.equal(warnings.length, 1);
    assert.match(
      warnings[0] ?? '',
      /^spec\.volumes\[1\]\.csi\..*sds"\]: 2 containers can read the key/,
    );
    assert.deepEqual(sharing({}).warnings, []);
    assert.deepEqual(sharing({ volumeAttributes: { 'signet.dev/sds': 'false' } }).warnings, []);
  });

  for (const spec of [
    { runtimeClassName: 'runc' },
    { runtimeClassName: 'katana' },
    { runtimeClassName: 1 },
    { shareProcessNamespace: false },
    { hostPID: 'true' },
  ]) {
    test(`not ${JSON.stringify(spec)}`, () =>
      assert.deepEqual(validate(makeMounting({ spec })).warnings, []));
  }
});

test('any JSON at all gets an answer: allowed, or refused with a message', () => {
  const seen = new Set<boolean>();
  fc.assert(
    fc.property(arbitraryJson, (pod) => {
      const { allowed, message } = validate(pod);
      seen.add(allowed);
      assert.equal(message === '', allowed);
    }),
    { numRuns: 2000 },
  );
  assert.equal(seen.size, 2, 'the generator reaches both');
});
