// SVIDs and streams while the issuer is away, and what follows when it is back.

import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { test } from 'node:test';
import { podMessage } from '../../fakes/fake-issuer.ts';
import { during, Messages, until } from './node-harness.ts';
import { HOUR, leafOf, node, servedPod, step, useNode } from './renewal-fixtures.ts';

useNode();

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
