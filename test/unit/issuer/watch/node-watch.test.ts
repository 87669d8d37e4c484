// What a Watch tells a node of its pods, and when it ends.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { contentDigest } from '../../../../src/issuer/watch/node-messages.ts';
import { parseSpiffeId, parseTrustDomain } from '../../../../src/spiffe/spiffe-id.ts';
import { entry, NODE, pod } from '../fixtures.ts';
import { clock, HELLO, MINUTE, open, options, pods, useWatches } from './watch-fixtures.ts';

useWatches();

test('the whole view: bundles, pods of this node that mount our driver, Synced', async () => {
  pods.set(pod({ uid: 'elsewhere', node: 'node-2' }));
  pods.set(pod({ uid: 'unmounted', volumes: [] }));
  pods.set(pod({ uid: 'second' }));
  const watch = open();
  assert.deepEqual(await watch.untilSynced(), [
    'bundles',
    'podIdentities',
    'podIdentities',
    'synced',
  ]);
  watch.stop();
});

test('a node that reads slowly gets one message a pod, the newest', async () => {
  const watch = open();
  await watch.untilSynced();
  for (let count = 0; count < 100; count += 1) pods.set(pod({ name: `agent-${count}` }));
  pods.set(pod({ uid: 'second', name: 'last' }));
  const names = [];
  for (let count = 0; count < 2; count += 1) {
    const message = await watch.next();
    assert.ok(message.case === 'podIdentities');
    names.push(message.value.name);
  }
  assert.deepEqual(names, ['agent-99', 'last']);
  watch.stop();
  await assert.rejects(watch.next(), { code: 'unavailable' });
});

test('what changes while the whole view is read is sent as it is by then', async () => {
  const watch = open();
  assert.equal((await watch.next()).case, 'bundles');
  pods.delete('pod-uid');
  assert.equal((await watch.next()).case, 'synced');
  assert.equal((await watch.next()).case, 'podGone');
  watch.stop();
});

test('a pod that left the node is gone for it', async () => {
  const watch = open();
  await watch.untilSynced();
  pods.set(pod({ node: 'node-2' }));
  options.sessions.of(NODE)[0]?.outbox.addPod('pod-uid', false);
  assert.equal((await watch.next()).case, 'podGone');
  watch.stop();
});

test('a Watch ends after ten minutes, or with the token, with Unavailable', async () => {
  for (const [lasts, minutes] of [
    [Number.POSITIVE_INFINITY, 10],
    [4, 4],
  ] as const) {
    const watch = open([HELLO], clock.now() + lasts * MINUTE);
    await watch.untilSynced();
    const ended = assert.rejects(watch.next(), { code: 'unavailable' });
    await clock.advance(minutes * MINUTE - 1000);
    assert.equal(options.sessions.of(NODE).length, 1);
    await clock.advance(1000);
    await ended;
    assert.equal(options.sessions.of(NODE).length, 0, 'the session is closed');
  }
});

test('a node that says nothing for ten seconds is not waited for', async () => {
  const watch = open([]);
  const ended = assert.rejects(watch.next(), { code: 'unavailable', message: 'no hello in time' });
  await clock.advance(10_000);
  await ended;
});

test('a view that is too old serves no Watch', async () => {
  pods.fresh = false;
  await assert.rejects(open().next(), { code: 'unavailable' });
});

test('of more than four watches of one node the oldest ends', async () => {
  const watches = [open(), open(), open(), open()];
  for (const watch of watches) await watch.untilSynced();
  const fifth = open();
  await fifth.untilSynced();
  const [first, ...others] = watches;
  await assert.rejects(first?.next() ?? assert.fail(), { code: 'unavailable' });
  assert.equal(options.sessions.of(NODE).length, 4);
  for (const watch of [...others, fifth]) watch.stop();
});

test('the content digest changes with what shapes the SVID, and with nothing else', () => {
  const of = (change: Parameters<typeof entry>[0]) =>
    Buffer.from(contentDigest(entry(change))).toString('hex');
  const base = of({});
  const { limits } = entry();
  for (const change of [
    { spiffeId: parseSpiffeId('spiffe://example.org/x') },
    { dnsNames: ['a'] },
    { commonName: 'a' },
    { x509TtlSeconds: 60 },
    { limits: { ...limits, maxX509TtlSeconds: 60 } },
  ]) {
    assert.notEqual(of(change), base, JSON.stringify(change));
  }
  for (const change of [
    { hint: 'a' },
    { federatesWith: [parseTrustDomain('example.net')] },
    { jwtTtlSeconds: 60 },
    { x509TtlSeconds: 3600 },
    { limits: { ...limits, jwtDenied: true } },
    { limits: { ...limits, sdsDenied: true } },
  ]) {
    assert.equal(of(change), base, JSON.stringify(change));
  }
});

test('a node that opens one watch after another is told to wait', async () => {
  for (let count = 0; count < 20; count += 1) {
    const watch = open();
    await watch.next();
    watch.stop();
  }
  await assert.rejects(open().next(), { code: 'unavailable', reason: 'Throttled' });
  await clock.advance(2000);
  const watch = open();
  await watch.next();
  watch.stop();
});

test('a pod that the view does not know well enough for now is not said to be gone', async () => {
  const watch = open();
  await watch.untilSynced();
  const known = pods.pod.bind(pods);
  pods.pod = (uid) => (uid === 'pod-uid' ? undefined : known(uid));
  pods.set(pod());
  pods.set(pod({ uid: 'second' }));
  const first = await watch.next();
  assert.equal(first.case === 'podIdentities' && first.value.podUid, 'second');
  pods.delete('pod-uid');
  const then = await watch.next();
  assert.equal(then.case === 'podGone' && then.value.podUid, 'pod-uid');
  watch.stop();
});
