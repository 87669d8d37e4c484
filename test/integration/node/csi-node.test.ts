import assert from 'node:assert/strict';
import {
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import { settle } from '../../fakes/fake-clock.ts';
import { FakeKubelet, type PublishRequest } from '../../fakes/fake-kubelet.ts';
import { until } from './node-harness.ts';
import {
  greetingIn,
  type Plugin,
  REFUSED,
  SERVED,
  startPlugin,
  UNKNOWN,
} from './volumes-harness.ts';

let kubelet: FakeKubelet;
let plugin: Plugin;
const started: Plugin[] = [];

/** Another instance beside the first; whatever a test does, it is stopped at its end. */
async function startAnother(label = ''): Promise<Plugin> {
  const another = await startPlugin(kubelet, label);
  started.push(another);
  return another;
}

beforeEach(async () => {
  kubelet = new FakeKubelet();
  plugin = await startAnother();
});
afterEach(async () => {
  for (const each of started.splice(0)) await each.stop();
  kubelet.close();
});

const uidOf = (request: PublishRequest) =>
  request.volumeContext['csi.storage.k8s.io/pod.uid'] ?? '';

test('V5, V12, KU-20, WE-26, CS-08: a publish makes the directory, the socket under every known name, and a record', async () => {
  const request = kubelet.request();
  await kubelet.node.nodePublishVolume(request);
  for (const name of ['spire-agent.sock', 'agent.sock', 'api.sock', 'socket']) {
    assert.equal(await greetingIn(request.targetPath, name), uidOf(request), name);
  }
  assert.equal(readlinkSync(join(request.targetPath, 'socket')), 'spire-agent.sock');
  assert.equal(statSync(request.targetPath).mode & 0o777, 0o755);
  const socket = lstatSync(join(request.targetPath, 'spire-agent.sock'));
  assert.ok(socket.isSocket());
  assert.equal(socket.mode & 0o777, 0o777, 'WE-26');
  assert.deepEqual(readdirSync(request.targetPath).toSorted(), [
    'agent.sock',
    'api.sock',
    'socket',
    'spire-agent.sock',
  ]);
  const record: unknown = JSON.parse(
    readFileSync(join(plugin.recordsDirectory, `${request.volumeId}.json`), 'utf8'),
  );
  assert.deepEqual(record, {
    volumeId: request.volumeId,
    targetPath: request.targetPath,
    podUid: uidOf(request),
    namespace: 'shop',
    podName: 'web-1',
    serviceAccount: 'default',
    volumeName: 'spiffe-workload-api',
    attributes: {},
  });
});

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

test('KU-19, CS-09: paths over 107 bytes that differ only behind that length stay apart', async () => {
  const volume = 'v'.repeat(60);
  const requests = ['a', 'b'].map((end) =>
    kubelet.request({ uid: `${'u'.repeat(100)}${end}`, volume }),
  );
  for (const request of requests) {
    assert.ok(request.targetPath.length > 180);
    await kubelet.node.nodePublishVolume(request);
  }
  for (const request of requests) {
    assert.equal(await greetingIn(request.targetPath), uidOf(request));
  }
});

test('V6, CS-06, KU-08, KU-13: ten publishes of one volume leave one socket and no mount', async () => {
  const request = kubelet.request();
  const mounts = readFileSync('/proc/self/mountinfo', 'utf8');
  await kubelet.node.nodePublishVolume(request);
  const before = lstatSync(join(request.targetPath, 'spire-agent.sock')).ino;
  for (let turn = 0; turn < 9; turn += 1) await kubelet.node.nodePublishVolume(request);
  assert.equal(lstatSync(join(request.targetPath, 'spire-agent.sock')).ino, before);
  assert.equal(readdirSync(request.targetPath).length, 4);
  assert.equal(readFileSync('/proc/self/mountinfo', 'utf8'), mounts);
});

test('CS-07: the same volume with other attributes is ALREADY_EXISTS, with other tokens it is not', async () => {
  const request = kubelet.request();
  await kubelet.node.nodePublishVolume(request);
  request.volumeContext['csi.storage.k8s.io/serviceAccount.tokens'] = '{"a":{"token":"x"}}';
  await kubelet.node.nodePublishVolume(request);
  request.volumeContext['signet.dev/require-identity'] = 'true';
  await assert.rejects(kubelet.node.nodePublishVolume(request), { code: 'already-exists' });
  assert.equal(await greetingIn(request.targetPath), uidOf(request));
});

test('KU-09: whatever is wrong with a repeated publish is nothing to remove a running pod’s volume for', async () => {
  const request = kubelet.request();
  await kubelet.node.nodePublishVolume(request);
  const { 'csi.storage.k8s.io/pod.name': _, ...withoutName } = request.volumeContext;
  const repeated: readonly PublishRequest[] = [
    { ...request, volumeContext: withoutName },
    { ...request, volumeContext: { ...request.volumeContext, 'signet.dev/later': 'true' } },
    { ...request, readonly: false },
  ];
  for (const repeat of repeated) {
    await assert.rejects(kubelet.node.nodePublishVolume(repeat), { code: 'unavailable' });
  }
  await startAnother();
  kubelet.hangUp();
  for (const repeat of repeated) {
    await assert.rejects(kubelet.node.nodePublishVolume(repeat), { code: 'unavailable' });
  }
  assert.equal(await greetingIn(request.targetPath), uidOf(request));
});

test('KU-05: tokens that come all the same are not written to the record', async () => {
  const request = kubelet.request();
  request.volumeContext['csi.storage.k8s.io/serviceAccount.tokens'] = '{"a":{"token":"canary"}}';
  request.secrets = { 'csi.storage.k8s.io/serviceAccount.tokens': 'canary' };
  await kubelet.node.nodePublishVolume(request);
  const record = readFileSync(join(plugin.recordsDirectory, `${request.volumeId}.json`), 'utf8');
  assert.doesNotMatch(record, /canary/);
});

test('a pod that is known to get no identity starts at once', async () => {
  plugin.answers.initial = REFUSED;
  await kubelet.node.nodePublishVolume(kubelet.request());
});

test('a pod with an SVID in hand starts at once', async () => {
  plugin.answers.initial = SERVED;
  await kubelet.node.nodePublishVolume(kubelet.request());
});

test('a publish is held while nothing is known, and answered OK as soon as something is', async () => {
  plugin.answers.initial = UNKNOWN;
  const request = kubelet.request();
  let answered = false;
  const publish = kubelet.node.nodePublishVolume(request).then(() => (answered = true));
  await until(() => plugin.answers.events.length === 1);
  await plugin.clock.advance(9_000);
  assert.equal(answered, false);
  assert.equal(
    await greetingIn(request.targetPath),
    uidOf(request),
    'the socket is there meanwhile',
  );
  plugin.answers.answerOf(uidOf(request)).set(SERVED);
  await publish;
});

test('KU-25, KU-26: a publish that nothing is known about is OK after the wait', async () => {
  plugin.answers.initial = UNKNOWN;
  const publish = kubelet.node.nodePublishVolume(kubelet.request());
  await until(() => plugin.answers.events.length === 1);
  await plugin.clock.advance(10_000);
  await publish;
});

test('a volume that requires an identity waits longer, then is Unavailable, which the kubelet retries', async () => {
  const request = kubelet.request();
  request.volumeContext['signet.dev/require-identity'] = 'true';
  const publish = kubelet.node.nodePublishVolume(request);
  const failed = assert.rejects(publish, {
    code: 'unavailable',
    message: 'no identity issued: NoPolicy',
  });
  await until(() => plugin.answers.events.length === 1);
  await plugin.clock.advance(90_000);
  await failed;
  plugin.answers.answerOf(uidOf(request)).set(SERVED);
  await kubelet.node.nodePublishVolume(request);
});

test('CS-19: a second call for a volume under way is ABORTED', async () => {
  plugin.answers.initial = UNKNOWN;
  const request = kubelet.request();
  const publish = kubelet.node.nodePublishVolume(request);
  await until(() => plugin.answers.events.length === 1);
  await assert.rejects(kubelet.node.nodePublishVolume(request), { code: 'aborted' });
  await assert.rejects(
    kubelet.node.nodeUnpublishVolume({
      volumeId: request.volumeId,
      targetPath: request.targetPath,
    }),
    { code: 'aborted' },
  );
  plugin.answers.answerOf(uidOf(request)).set(REFUSED);
  await publish;
});

test('a call that the kubelet cancels ends at once, leaves no waiter, and the next one waits anew', async () => {
  plugin.answers.initial = UNKNOWN;
  const request = kubelet.request();
  const cancel = new AbortController();
  const publish = kubelet.node.nodePublishVolume(request, { signal: cancel.signal });
  await until(() => plugin.answers.events.length === 1);
  cancel.abort();
  await assert.rejects(publish);
  await settle();
  let answered = false;
  const again = kubelet.node.nodePublishVolume(request).then(() => (answered = true));
  await settle();
  assert.equal(answered, false);
  await plugin.clock.advance(10_000);
  await again;
});

test('pod info that differs from what the issuer knows is refused, and undone', async () => {
  plugin.answers.initial = UNKNOWN;
  const request = kubelet.request();
  const publish = kubelet.node.nodePublishVolume(request);
  await until(() => plugin.answers.events.length === 1);
  plugin.answers.mismatch.add(uidOf(request));
  plugin.answers.answerOf(uidOf(request)).set({ kind: 'refused', reason: 'PodMismatch' });
  await assert.rejects(publish, { code: 'invalid-argument' });
  assert.equal(existsSync(request.targetPath), false);
  assert.deepEqual(readdirSync(plugin.recordsDirectory), []);
});

test('V7, CS-13: unpublish removes what publish made; again, and for an unknown volume, it is OK', async () => {
  const request = kubelet.request();
  const { volumeId, targetPath } = request;
  await kubelet.node.nodePublishVolume(request);
  await kubelet.node.nodeUnpublishVolume({ volumeId, targetPath });
  assert.equal(existsSync(targetPath), false);
  assert.deepEqual(readdirSync(plugin.recordsDirectory), []);
  assert.equal(plugin.answers.events.at(-1), `unpublished ${uidOf(request)}`);
  await kubelet.node.nodeUnpublishVolume({ volumeId, targetPath });
  const other = kubelet.request();
  await kubelet.node.nodeUnpublishVolume({
    volumeId: other.volumeId,
    targetPath: other.targetPath,
  });
});

test('SA-04: unpublish without a volume id or target path is InvalidArgument', async () => {
  await assert.rejects(
    kubelet.node.nodeUnpublishVolume({ targetPath: '/x' }),
    /volume_id: missing/,
  );
  await assert.rejects(kubelet.node.nodeUnpublishVolume({ volumeId: 'x' }), /target_path: missing/);
});

test('unpublish never removes files that are not ours, and says so', async () => {
  const request = kubelet.request();
  const { volumeId, targetPath } = request;
  await kubelet.node.nodePublishVolume(request);
  writeFileSync(join(targetPath, 'precious'), 'x');
  mkdirSync(join(targetPath, 'left-by-subpath'));
  await assert.rejects(kubelet.node.nodeUnpublishVolume({ volumeId, targetPath }), {
    code: 'unavailable',
    message: /holds files that are not ours/,
  });
  assert.deepEqual(readdirSync(targetPath), ['precious'], 'empty foreign directories do go');
  unlinkSync(join(targetPath, 'precious'));
  await kubelet.node.nodeUnpublishVolume({ volumeId, targetPath });
  assert.equal(existsSync(targetPath), false);
});

test('KU-16: after a crash every recorded volume is served again, before anybody calls', async () => {
  const requests = Array.from({ length: 20 }, () => kubelet.request());
  for (const request of requests) await kubelet.node.nodePublishVolume(request);
  await startAnother('new ');
  for (const request of requests) {
    assert.equal(await greetingIn(request.targetPath), `new ${uidOf(request)}`);
  }
});

test('two instances that take turns leave no moment without a connectable socket', async () => {
  const request = kubelet.request();
  await kubelet.node.nodePublishVolume(request);
  const answers: string[] = [];
  const turns = new AbortController();
  const connecting = (async () => {
    while (!turns.signal.aborted) answers.push(await greetingIn(request.targetPath));
  })();
  let current = plugin;
  for (let turn = 0; turn < 20; turn += 1) {
    const next = await startAnother(`${turn} `);
    await until(() => answers.at(-1) === `${turn} ${uidOf(request)}`);
    await current.volumes.close();
    await settle();
    current = next;
  }
  turns.abort();
  await connecting;
  const failed = answers.filter((answer) => !answer.endsWith(uidOf(request)));
  assert.deepEqual(failed, [], `${answers.length} connects`);
  assert.ok(answers.length > 20, 'connects all along');
});

test('a record whose directory is gone is dropped; one that does not parse is left for a person', async () => {
  const request = kubelet.request();
  await kubelet.node.nodePublishVolume(request);
  const broken = join(plugin.recordsDirectory, `csi-${'f'.repeat(64)}.json`);
  writeFileSync(broken, '{"volumeId":');
  rmSync(request.targetPath, { recursive: true });
  const successor = await startAnother();
  assert.deepEqual(successor.volumes.records, []);
  assert.deepEqual(readdirSync(plugin.recordsDirectory), [`csi-${'f'.repeat(64)}.json`]);
});

test('a recorded volume that could not be served at the start is served once that is possible', async () => {
  const request = kubelet.request();
  await kubelet.node.nodePublishVolume(request);
  const aside = `${request.targetPath}-aside`;
  renameSync(request.targetPath, aside);
  symlinkSync(aside, request.targetPath);
  const successor = await startAnother('new ');
  assert.equal(await greetingIn(aside), uidOf(request), 'not taken over');
  unlinkSync(request.targetPath);
  renameSync(aside, request.targetPath);
  await successor.volumes.sweep();
  assert.equal(await greetingIn(request.targetPath), `new ${uidOf(request)}`);
  assert.deepEqual(successor.answers.events, [`published ${uidOf(request)}`]);
});

test('CS-14: a publish that fails keeps the record of an earlier one', async () => {
  const request = kubelet.request();
  await kubelet.node.nodePublishVolume(request);
  const pod = join(kubelet.root, 'pods', uidOf(request));
  renameSync(pod, `${pod}-aside`);
  await assert.rejects(kubelet.node.nodePublishVolume(request), { code: 'unavailable' });
  renameSync(`${pod}-aside`, pod);
  await startAnother('new ');
  assert.equal(await greetingIn(request.targetPath), `new ${uidOf(request)}`);
});

test('a public name that somebody removed is put back by the sweep', async () => {
  const request = kubelet.request();
  await kubelet.node.nodePublishVolume(request);
  unlinkSync(join(request.targetPath, 'spire-agent.sock'));
  unlinkSync(join(request.targetPath, 'socket'));
  await plugin.volumes.sweep();
  assert.equal(await greetingIn(request.targetPath, 'socket'), uidOf(request));
});

test('a directory that somebody removed is not complained about for ever', async () => {
  const request = kubelet.request();
  await kubelet.node.nodePublishVolume(request);
  rmSync(request.targetPath, { recursive: true });
  await plugin.volumes.sweep();
  assert.deepEqual(plugin.warnings, []);
  await kubelet.node.nodePublishVolume(request);
  assert.equal(await greetingIn(request.targetPath), uidOf(request));
});

test('a public name that another instance put there is taken back only if it stays for long', async () => {
  const request = kubelet.request();
  await kubelet.node.nodePublishVolume(request);
  await startAnother('new ');
  await plugin.volumes.sweep();
  assert.equal(await greetingIn(request.targetPath), `new ${uidOf(request)}`);
  // A newer one would have the CSI socket by now, and this one would sweep no more.
  await plugin.volumes.sweep();
  assert.equal(await greetingIn(request.targetPath), uidOf(request));
});

test('a target renamed away under an open volume is not followed', async () => {
  const request = kubelet.request();
  await kubelet.node.nodePublishVolume(request);
  const moved = `${dirname(request.targetPath)}/moved`;
  renameSync(request.targetPath, moved);
  assert.equal(await greetingIn(moved), uidOf(request));
  await kubelet.node.nodeUnpublishVolume({
    volumeId: request.volumeId,
    targetPath: request.targetPath,
  });
});

test('V8, CS-01, CS-05: the identity and the node answer for themselves', async () => {
  const info = await kubelet.node.nodeGetInfo({});
  assert.equal(info.nodeId, 'node-1');
  assert.deepEqual((await kubelet.node.nodeGetCapabilities({})).capabilities, []);
});
