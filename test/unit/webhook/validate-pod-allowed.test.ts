// Pods that are allowed or warned about for what they do with volumes of our driver.

import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import type { JsonObject } from '../../../src/template/json-value.ts';
import { applyPatch } from '../../../src/webhook/json-patch.ts';
import { mutatePod } from '../../../src/webhook/mutate-pod.ts';
import { validatePod } from '../../../src/webhook/validate-pod.ts';
import { makePod, makeRequest, mount, settings } from './pod-fixtures.ts';
import { makeMounting, validate } from './volume-fixtures.ts';

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
