// Publishes that are refused, and that nothing is left or made behind them.

import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readdirSync, rmSync, symlinkSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import type { FakeKubelet, PublishRequest } from '../../fakes/fake-kubelet.ts';
import { Instances, uidOf } from './csi-fixtures.ts';
import type { Plugin } from './volumes-harness.ts';

let instances: Instances;
let kubelet: FakeKubelet;
let plugin: Plugin;

beforeEach(async () => {
  instances = new Instances();
  ({ kubelet } = instances);
  plugin = await instances.start();
});
afterEach(async () => await instances.stop());

type Mutation = { name: string; change: (request: PublishRequest) => void; message: RegExp };
const key = (name: string) => `csi.storage.k8s.io/${name}`;
const refused: readonly Mutation[] = [
  { name: 'CS-11: no volume id', change: (r) => (r.volumeId = ''), message: /^volume_id: missing/ },
  {
    name: 'KU-04: a volume id of another pod and volume',
    change: (r) => (r.volumeId = `csi-${'0'.repeat(64)}`),
    message: /^volume_id: /,
  },
  {
    name: 'KU-04: a volume id that climbs',
    change: (r) => (r.volumeId = 'csi-../../../etc'),
    message: /^volume_id: /,
  },
  {
    name: 'CS-15: a volume id over 128 bytes',
    change: (r) => (r.volumeId = `csi-${'a'.repeat(200)}`),
    message: /^volume_id: over 128 bytes/,
  },
  {
    name: 'CS-11: no target path',
    change: (r) => (r.targetPath = ''),
    message: /^target_path: missing/,
  },
  {
    name: 'a target path outside the kubelet root',
    change: (r) => (r.targetPath = '/etc/mount'),
    message: /^target_path: must lie under/,
  },
  {
    name: 'a target path with ..',
    change: (r) => (r.targetPath = r.targetPath.replace('/volumes/', '/../x/volumes/')),
    message: /^target_path: must be/,
  },
  {
    name: 'a target path whose uid is ..',
    change: (r) => (r.targetPath = r.targetPath.replace(uidOf(r), '..')),
    message: /^target_path: the pod uid segment/,
  },
  {
    name: 'a target path with an empty component',
    change: (r) => (r.targetPath = r.targetPath.replace('/volumes/', '//')),
    message: /^target_path: must be/,
  },
  {
    name: 'CS-11: no capability',
    change: (r) => delete r.volumeCapability,
    message: /^volume_capability: missing/,
  },
  {
    name: 'V4: a block volume',
    change: (r) => (r.volumeCapability = { accessType: { case: 'block', value: {} } }),
    message: /access_type: must be a plain mount/,
  },
  {
    name: 'V4: a file system type',
    change: (r) =>
      (r.volumeCapability = { accessType: { case: 'mount', value: { fsType: 'ext4' } } }),
    message: /fs_type/,
  },
  {
    name: 'V4: mount flags',
    change: (r) =>
      (r.volumeCapability = { accessType: { case: 'mount', value: { mountFlags: ['ro'] } } }),
    message: /mount_flags/,
  },
  {
    name: 'V4: no access mode',
    change: (r) => (r.volumeCapability = { accessType: { case: 'mount', value: {} } }),
    message: /access_mode: missing/,
  },
  {
    name: 'V4: the reader-only access mode',
    change: (r) =>
      (r.volumeCapability = {
        accessType: { case: 'mount', value: {} },
        accessMode: { mode: 2 },
      }),
    message: /SINGLE_NODE_READER_ONLY/,
  },
  {
    name: 'CS-10: not read-only',
    change: (r) => (r.readonly = false),
    message: /pod\.spec\.volumes\[\]\.csi\.readOnly must be true/,
  },
  ...['pod.name', 'pod.namespace', 'pod.uid', 'serviceAccount.name'].map((name) => ({
    name: `KU-02: no ${name}`,
    change: (r: PublishRequest) => {
      delete r.volumeContext[key(name)];
    },
    message: new RegExp(`${name.replace('.', '\\.')} is missing`),
  })),
  {
    name: 'KU-01: a CSIDriver without podInfoOnMount',
    change: (r) => (r.volumeContext = {}),
    message: /no pod info; the CSIDriver must have podInfoOnMount: true/,
  },
  {
    name: 'a Secret by nodePublishSecretRef',
    change: (r) => (r.secrets = { password: 'canary' }),
    message: /^secrets: [^ ]*nodePublishSecretRef must not be set$/,
  },
  {
    name: 'KU-02: not ephemeral',
    change: (r) => (r.volumeContext[key('ephemeral')] = 'false'),
    message: /ephemeral must be "true"/,
  },
  {
    name: 'KU-03: pod info of another pod forged through volume attributes',
    change: (r) => (r.volumeContext[key('pod.uid')] = '11111111-2222-3333-4444-555555555555'),
    message: /pod\.uid is not the pod uid of target_path/,
  },
  {
    name: 'KU-02: a pod name with a slash',
    change: (r) => (r.volumeContext[key('pod.name')] = 'a/b'),
    message: /pod\.name is not a Kubernetes name/,
  },
  {
    name: 'an unknown volume attribute',
    change: (r) => (r.volumeContext['signet.dev/unheard-of'] = 'x'),
    message: /unknown volume attribute signet\.dev\/unheard-of/,
  },
  {
    name: 'a known volume attribute of a wrong value',
    change: (r) => (r.volumeContext['signet.dev/require-identity'] = 'yes'),
    message: /signet\.dev\/require-identity must be one of true, false/,
  },
  {
    name: 'CS-15: a context over 4 KiB',
    change: (r) => (r.volumeContext['x'] = 'y'.repeat(5000)),
    message: /over 4096 bytes/,
  },
];
for (const { name, change, message } of refused) {
  test(`refused as InvalidArgument, leaving nothing: ${name}`, async () => {
    const request = kubelet.request();
    const { targetPath } = request;
    change(request);
    await assert.rejects(kubelet.node.nodePublishVolume(request), {
      code: 'invalid-argument',
      message,
    });
    assert.equal(existsSync(targetPath), false);
    assert.deepEqual(readdirSync(plugin.recordsDirectory), []);
  });
}

test('a symlinked component of the target is refused and nothing is made behind it', async () => {
  const request = kubelet.request();
  const elsewhere = join(kubelet.root, 'elsewhere');
  mkdirSync(elsewhere);
  const csi = dirname(dirname(request.targetPath));
  rmSync(csi, { recursive: true });
  mkdirSync(join(elsewhere, 'spiffe-workload-api'));
  symlinkSync(elsewhere, csi);
  await assert.rejects(kubelet.node.nodePublishVolume(request), {
    code: 'invalid-argument',
    message: /symbolic link/,
  });
  assert.deepEqual(readdirSync(join(elsewhere, 'spiffe-workload-api')), []);
});

test('a target that is itself a symlink is refused', async () => {
  const request = kubelet.request();
  symlinkSync('/tmp', request.targetPath);
  await assert.rejects(kubelet.node.nodePublishVolume(request), { code: 'invalid-argument' });
});
