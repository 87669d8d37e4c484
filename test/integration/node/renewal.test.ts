// How SVIDs stay fresh: renewal, refusals, and clocks that jump.

import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { test } from 'node:test';
import { CodedError } from '../../../src/base/errors.ts';
import { podMessage } from '../../fakes/fake-issuer.ts';
import { during, Messages, until } from './node-harness.ts';
import { HOUR, leafOf, node, servedPod, step, useNode } from './renewal-fixtures.ts';

useNode();

test('an SVID is renewed around half of its life, with a new key, and pushed', async () => {
  const { stream, first } = await servedPod();
  await node.clock.advance(0.44 * HOUR);
  assert.equal(node.issuer.x509Requests.length, 1, 'not before 45 % of its life');
  await node.clock.advance(0.12 * HOUR);
  const renewed = leafOf(await stream.next());
  assert.equal(node.issuer.x509Requests.length, 2, 'not after 55 % of its life');
  assert.notDeepEqual(renewed.subjectPublicKeyInfo, first.subjectPublicKeyInfo);
  assert.ok(renewed.notAfter > first.notAfter);
});

test('pods that started together are renewed spread over a tenth of the lifetime, in few requests', async () => {
  const uids = Array.from({ length: 60 }, () => randomUUID());
  for (const uid of uids) node.issuer.pushPod(podMessage(uid, ['/a']));
  const items = () => node.issuer.x509Requests.reduce((sum, { items }) => sum + items.length, 0);
  await until(() => items() === 60);
  assert.ok(node.issuer.x509Requests.every((request) => request.items.length <= 32));
  await node.clock.advance(0.49 * HOUR);
  const early = items() - 60;
  assert.ok(early > 0 && early < 60, `${early} renewed before half life`);
  await node.clock.advance(0.07 * HOUR);
  await until(() => items() === 120);
});

test('a clock that jumps ahead past the expiry: Unavailable, then a new SVID', async () => {
  const { stream } = await servedPod();
  node.issuer.x509Verdict = () => new CodedError('unavailable', 'not now');
  node.clock.jump(5 * HOUR);
  const ended = assert.rejects(stream.next(), { code: 'unavailable' });
  await node.clock.advance(1000);
  await ended;
});

test('a clock that is set back before the SVID began: it is signed anew', async () => {
  const { stream, first } = await servedPod();
  node.clock.jump(-10 * HOUR);
  const renewed = stream.next();
  await node.clock.advance(1000);
  const leaf = leafOf(await renewed);
  assert.ok(leaf.notBefore < first.notBefore);
});

test('EntryChanged, ViewBehind and Throttled are asked again with back-off, never shown as a refusal', async () => {
  const reasons = ['EntryChanged', 'ViewBehind', 'Throttled'];
  node.issuer.x509Verdict = () => {
    const reason = reasons.shift();
    return reason === undefined ? undefined : { reason, message: 'later' };
  };
  const uid = randomUUID();
  node.issuer.pushPod(podMessage(uid, ['/a']));
  await until(() => node.issuer.x509Requests.length === 1);
  const { workload } = await during(node.publish({ uid }), step);
  await new Messages(workload.fetchX509SVID({}, node.call)).next();
  assert.equal(node.issuer.x509Requests.length, 4);
});

test('PrefetchLimit stands until the pod is published; then it is the issuer that is behind', async () => {
  const verdicts = ['PrefetchLimit', 'PrefetchLimit'];
  node.issuer.x509Verdict = () => {
    const reason = verdicts.shift();
    return reason === undefined ? undefined : { reason, message: 'not started' };
  };
  const uid = randomUUID();
  node.issuer.pushPod(podMessage(uid, ['/a']));
  await until(() => node.issuer.x509Requests.length === 1);
  await node.clock.advance(5000);
  assert.equal(node.issuer.x509Requests.length, 1);
  const publish = node.publish({ uid });
  await until(() => node.issuer.x509Requests.length === 3, step);
  const { workload } = await publish;
  await new Messages(workload.fetchX509SVID({}, node.call)).next();
});

/** The issuer's clock, set off from the node's. */
function issuerClockAt(offsetMs: number): void {
  node.issuer.clock = {
    now: () => node.clock.now() + offsetMs,
    sleep: async (ms, signal) => await node.clock.sleep(ms, signal),
  };
}

test('a node whose clock is behind the issuer’s asks once, and renews within the real lifetime', async () => {
  issuerClockAt(10 * HOUR);
  await servedPod();
  await node.clock.advance(0.4 * HOUR);
  assert.equal(node.issuer.x509Requests.length, 1);
  await node.clock.advance(0.2 * HOUR);
  assert.equal(node.issuer.x509Requests.length, 2);
});

test('a node whose clock is so far ahead that SVIDs are over when they come: Unavailable, and few requests', async () => {
  issuerClockAt(-2 * HOUR);
  const uid = randomUUID();
  node.issuer.pushPod(podMessage(uid, ['/a']));
  await until(() => node.issuer.x509Requests.length === 1);
  const second = async () => await node.clock.advance(1000);
  const { workload } = await during(node.publish({ uid }), second);
  for (let count = 0; count < 60; count += 1) await second();
  assert.ok(node.issuer.x509Requests.length < 20, `${node.issuer.x509Requests.length} requests`);
  const fetch = new Messages(workload.fetchX509SVID({}, node.call)).next();
  await assert.rejects(during(fetch, second), { code: 'unavailable' });
});

test('a refusal stands until the entry changes, the volume is published, or half a minute', async () => {
  node.issuer.x509Verdict = () => ({ reason: 'NotPublished', message: 'no' });
  const uid = randomUUID();
  node.issuer.pushPod(podMessage(uid, ['/a']));
  await until(() => node.issuer.x509Requests.length === 1);
  await node.clock.advance(5000);
  assert.equal(node.issuer.x509Requests.length, 1);
  const { workload } = await node.publish({ uid });
  await until(() => node.issuer.x509Requests.length === 2);
  await assert.rejects(new Messages(workload.fetchX509SVID({}, node.call)).next(), {
    code: 'permission-denied',
    message: /^no identity issued: NotPublished;/,
  });
  node.issuer.x509Verdict = () => undefined;
  await node.clock.advance(31_000);
  await new Messages(workload.fetchX509SVID({}, node.call)).next();
});

test('only a change of what shapes the SVID asks for a new one', async () => {
  const { uid, stream } = await servedPod();
  node.issuer.pushPod(podMessage(uid, ['/a'], { version: 2n }));
  node.issuer.pushPod(
    podMessage(uid, ['/a'], { version: 3n, entry: { contentDigest: Buffer.from('new') } }),
  );
  leafOf(await stream.next());
  assert.equal(node.issuer.x509Requests.length, 2);
});

test('the token is read anew for every call, and every call carries it', async () => {
  await servedPod();
  assert.deepEqual([...node.issuer.bearers], ['Bearer token-1']);
});
