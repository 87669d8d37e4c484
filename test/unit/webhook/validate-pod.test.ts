// Pods that are refused for what they do with volumes of our driver.

import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import * as fc from 'fast-check';
import type { JsonValue } from '../../../src/template/json-value.ts';
import { arbitraryJson } from './arbitrary-json.ts';
import { driverVolume, makePod, mount } from './pod-fixtures.ts';
import { makeMounting, validate } from './volume-fixtures.ts';

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
