// How SVIDs stay fresh: renewal, clocks that jump, and an issuer that is away, behind or restarted.

import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { afterEach, beforeEach, test } from 'node:test';
import { CodedError } from '../../../src/base/errors.ts';
import { readCertificate, splitCertificates } from '../../../src/spiffe/certificate/certificate.ts';
import { podMessage } from '../../fakes/fake-issuer.ts';
import { during, Messages, NodeHarness, until } from './node-harness.ts';

let node: NodeHarness;
beforeEach(async () => {
  node = await NodeHarness.start();
});
afterEach(async () => await node.stop());

const HOUR = 3_600_000;
/** Back-off runs on the test's clock, the channel's own on the real one. */
const step = async () => await node.clock.advance(20);

async function servedPod(path = '/a') {
  const uid = randomUUID();
  node.issuer.pushPod(podMessage(uid, [path]));
  const published = await node.publish({ uid });
  const stream = new Messages(published.workload.fetchX509SVID({}, node.call));
  return { uid, ...published, stream, first: leafOf(await stream.next()) };
}

function leafOf(message: { svids: readonly { x509Svid: Uint8Array }[] }) {
  const [leaf] = splitCertificates(message.svids[0]?.x509Svid ?? new Uint8Array());
  assert.ok(leaf !== undefined);
  return readCertificate(leaf);
}

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

test('the issuer is away: the SVID is served until it expires, then streams end with Unavailable', async () => {
  const { stream, workload, first } = await servedPod();
  await node.issuer.stop();
  await node.clock.advance(0.9 * HOUR);
  const again = await new Messages(workload.fetchX509SVID({}, node.call)).next();
  assert.deepEqual(leafOf(again).serialNumber, first.serialNumber);
  const ended = assert.rejects(stream.next(), { code: 'unavailable' });
  await node.clock.advance(0.1 * HOUR);
  await ended;
  const late = new Messages(workload.fetchX509SVID({}, node.call)).next();
  await assert.rejects(during(late, step), { code: 'unavailable' });
});

test('the issuer comes back: the node says what it holds, and renews at once what is due', async () => {
  const { uid, stream, first } = await servedPod();
  await node.issuer.stop();
  await node.clock.advance(0.8 * HOUR);
  node.issuer.reports.length = 0;
  await node.issuer.start();
  await until(() => node.issuer.x509Requests.length === 2, step);
  const renewed = leafOf(await stream.next());
  // A request to sign need not wait for the Watch: what is held by then is the old or the new one.
  await until(() => node.issuer.reports.length >= 2, step);
  const [hello, published] = node.issuer.reports.map(({ report }) => report);
  assert.ok(hello?.case === 'hello');
  assert.equal(hello.value.pluginVersion, '1.2.3');
  assert.equal(hello.value.bundleSequence, 1n);
  assert.equal(hello.value.restrictionVersion, 1n);
  const [held, ...more] = hello.value.held;
  assert.equal(more.length, 0);
  assert.equal(held?.podUid, uid);
  const serial = Buffer.from(held.serial);
  const leaf = [first, renewed].find(({ serialNumber }) => serial.equals(serialNumber));
  assert.equal(Number(held.notAfter) * 1000, leaf?.notAfter);
  assert.ok(published?.case === 'published' && published.value.podUid === uid);
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

test('a pod without a volume that the issuer’s whole view no longer names is dropped', async () => {
  const [gone, kept] = [randomUUID(), randomUUID()];
  node.issuer.pushPod(podMessage(gone, ['/a']));
  node.issuer.pushPod(podMessage(kept, ['/a']));
  const published = await servedPod('/a');
  const held = () => {
    const hellos = node.issuer.reports.flatMap(({ report }) =>
      report.case === 'hello' ? [report.value] : [],
    );
    return hellos.at(-1)?.held.map(({ podUid }) => podUid) ?? [];
  };
  await comeBack();
  assert.deepEqual(held().toSorted(), [gone, kept, published.uid].toSorted());
  node.issuer.pods.delete(gone);
  node.issuer.pods.delete(published.uid);
  await comeBack();
  await node.issuer.stop();
  const before = node.issuer.watches;
  await node.issuer.start();
  await until(() => node.issuer.watches > before, step);
  await until(() => held().length === 2, step);
  assert.deepEqual(held().toSorted(), [kept, published.uid].toSorted(), 'a volume is not dropped');
});

/** The issuer goes and comes back, and the node has heard its whole view. */
async function comeBack(): Promise<void> {
  await node.issuer.stop();
  node.issuer.reports.length = 0;
  await node.issuer.start();
  const mark = randomUUID();
  await until(() => node.issuer.reports.some(({ report }) => report.case === 'hello'), step);
  node.issuer.push({ case: 'podIdentities', value: podMessage(mark, []) });
  const heard = () =>
    node.issuer.reports.some(
      ({ report }) => report.case === 'acknowledged' && report.value.podUid === mark,
    );
  await until(heard, step);
}

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

test('a stream that the issuer ends is opened again', async () => {
  await servedPod();
  const before = node.issuer.watches;
  await node.issuer.stop();
  await node.issuer.start();
  await until(() => node.issuer.watches > before, step);
  assert.equal(node.issuer.watches, before + 1);
});

test('what is published while the issuer is away is reported when it is back', async () => {
  await node.issuer.stop();
  const uid = randomUUID();
  await during(node.publish({ uid }), async () => await node.clock.advance(1000));
  node.issuer.reports.length = 0;
  await node.issuer.start();
  const said = () =>
    node.issuer.reports.some(
      ({ report }) => report.case === 'published' && report.value.podUid === uid,
    );
  await until(said, step);
});
