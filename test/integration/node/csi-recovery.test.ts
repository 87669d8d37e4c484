// Volumes outlive what served them: restarts, several instances, and names that others removed.

import assert from 'node:assert/strict';
import { readdirSync, renameSync, rmSync, symlinkSync, unlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import { settle } from '../../fakes/fake-clock.ts';
import type { FakeKubelet } from '../../fakes/fake-kubelet.ts';
import { Instances, uidOf } from './csi-fixtures.ts';
import { until } from './node-harness.ts';
import { greetingIn, type Plugin } from './volumes-harness.ts';

let instances: Instances;
let kubelet: FakeKubelet;
let plugin: Plugin;

beforeEach(async () => {
  instances = new Instances();
  ({ kubelet } = instances);
  plugin = await instances.start();
});
afterEach(async () => await instances.stop());

test('KU-16: after a crash every recorded volume is served again, before anybody calls', async () => {
  const requests = Array.from({ length: 20 }, () => kubelet.request());
  for (const request of requests) await kubelet.node.nodePublishVolume(request);
  await instances.start('new ');
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
    const next = await instances.start(`${turn} `);
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
  const successor = await instances.start();
  assert.deepEqual(successor.volumes.records, []);
  assert.deepEqual(readdirSync(plugin.recordsDirectory), [`csi-${'f'.repeat(64)}.json`]);
});

test('a recorded volume that could not be served at the start is served once that is possible', async () => {
  const request = kubelet.request();
  await kubelet.node.nodePublishVolume(request);
  const aside = `${request.targetPath}-aside`;
  renameSync(request.targetPath, aside);
  symlinkSync(aside, request.targetPath);
  const successor = await instances.start('new ');
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
  await instances.start('new ');
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
  await instances.start('new ');
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
