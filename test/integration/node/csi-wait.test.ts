// How long a publish is held for an identity, and what ends the wait.

import assert from 'node:assert/strict';
import { existsSync, readdirSync } from 'node:fs';
import { afterEach, beforeEach, test } from 'node:test';
import { settle } from '../../fakes/fake-clock.ts';
import type { FakeKubelet } from '../../fakes/fake-kubelet.ts';
import { Instances, uidOf } from './csi-fixtures.ts';
import { until } from './node-harness.ts';
import { greetingIn, type Plugin, REFUSED, SERVED, UNKNOWN } from './volumes-harness.ts';

let instances: Instances;
let kubelet: FakeKubelet;
let plugin: Plugin;

beforeEach(async () => {
  instances = new Instances();
  ({ kubelet } = instances);
  plugin = await instances.start();
});
afterEach(async () => await instances.stop());

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
