// Identities that come, change and go, from the issuer's word to what a client reads.

import assert from 'node:assert/strict';
import { createPrivateKey, createPublicKey, randomUUID, X509Certificate } from 'node:crypto';
import { test } from 'node:test';
import { CodedError } from '../../../src/base/errors.ts';
import { splitCertificates } from '../../../src/spiffe/certificate/certificate.ts';
import { podMessage } from '../../fakes/fake-issuer.ts';
import { TestAuthority } from '../../fakes/test-authority.ts';
import { during, Messages, NOW, until } from './node-harness.ts';
import { ids, node, pod, useNode } from './workload-fixtures.ts';

useNode();

test('an SVID is signed as soon as the issuer names the entry, before the kubelet publishes', async () => {
  const uid = randomUUID();
  node.issuer.pushPod(podMessage(uid, ['/a']));
  await until(() => node.issuer.x509Requests.length === 1);
  await node.publish({ uid });
  assert.equal(node.issuer.x509Requests.length, 1);
});

test('WA-04, WA-05, WA-40: every change is a new message with the full state', async () => {
  const { uid, workload } = await pod(['/a']);
  const messages = new Messages(workload.fetchX509SVID({}, node.call));
  assert.deepEqual(ids(await messages.next()), ['spiffe://example.org/a']);
  node.issuer.pushPod(podMessage(uid, ['/a', '/b'], { version: 2n }));
  assert.deepEqual(ids(await messages.next()), [
    'spiffe://example.org/a',
    'spiffe://example.org/b',
  ]);
  node.issuer.pushPod(podMessage(uid, ['/a'], { version: 3n }));
  assert.deepEqual(ids(await messages.next()), ['spiffe://example.org/a'], 'WA-40');
});

test('WA-41: a withdrawn identity ends the open streams with PermissionDenied', async () => {
  const { uid, workload } = await pod(['/a']);
  const streams = [
    new Messages<unknown>(workload.fetchX509SVID({}, node.call)),
    new Messages<unknown>(workload.fetchX509Bundles({}, node.call)),
    new Messages<unknown>(workload.fetchJWTBundles({}, node.call)),
  ];
  for (const stream of streams) await stream.next();
  node.issuer.pushPod(podMessage(uid, [], { version: 2n, refusal: 'Suspended' }));
  for (const stream of streams) {
    await assert.rejects(stream.next(), {
      code: 'permission-denied',
      message: /^no identity issued: Suspended;/,
    });
  }
});

test('an identity that is replaced is gone within a second, even while its successor is not signed', async () => {
  const { uid, workload } = await pod(['/a']);
  const stream = new Messages(workload.fetchX509SVID({}, node.call));
  await stream.next();
  node.issuer.x509Verdict = () => new CodedError('unavailable', 'not now');
  const watched = node.issuer.x509Requests.length;
  node.issuer.pushPod(podMessage(uid, ['/other'], { version: 2n }));
  const ended = assert.rejects(stream.next(), { code: 'permission-denied' });
  await until(() => node.issuer.x509Requests.length > watched);
  await node.clock.advance(1000);
  await ended;
});

test('WA-41: an older view of a pod is ignored, an equal or newer one is taken', async () => {
  const { uid, workload } = await pod(['/a'], { version: 5n });
  const stream = new Messages(workload.fetchX509SVID({}, node.call));
  await stream.next();
  node.issuer.pushPod(podMessage(uid, [], { version: 4n }));
  node.issuer.pushPod(podMessage(uid, ['/a', '/b'], { version: 5n }));
  assert.deepEqual(ids(await stream.next()), ['spiffe://example.org/a', 'spiffe://example.org/b']);
});

test('a pod said to be gone is not signed for any more, and served until its SVID expires', async () => {
  const { uid, workload } = await pod(['/a']);
  const stream = new Messages(workload.fetchX509SVID({}, node.call));
  await stream.next();
  node.issuer.push({ case: 'podGone', value: { podUid: uid, version: 2n } });
  await until(() => node.issuer.reports.some(acknowledges(uid, 2n)));
  const signed = node.issuer.x509Requests.length;
  await node.clock.advance(3_000_000);
  const again = await new Messages(workload.fetchX509SVID({}, node.call)).next();
  assert.deepEqual(ids(again), ['spiffe://example.org/a']);
  const ended = assert.rejects(stream.next(), { code: 'unavailable' });
  await node.clock.advance(700_000);
  await ended;
  assert.equal(node.issuer.x509Requests.length, signed);
});

test('an entry of another trust domain is not taken in', async () => {
  const { uid, workload } = await pod(['/a']);
  const entry = { entryId: 'x', spiffeId: 'spiffe://evil.test/a' };
  node.issuer.pushPod({ ...podMessage(uid, []), version: 2n, entries: [entry] });
  node.issuer.pushPod(podMessage(randomUUID(), ['/later']));
  await until(() => node.issuer.x509Requests.length === 2);
  const { svids } = await new Messages(workload.fetchX509SVID({}, node.call)).next();
  assert.deepEqual(ids({ svids }), ['spiffe://example.org/a']);
});

function acknowledges(podUid: string, version: bigint) {
  return ({ report }: { report: { case?: string | undefined; value?: unknown } }) =>
    report.case === 'acknowledged' &&
    (report.value as { podUid: string }).podUid === podUid &&
    (report.value as { version: bigint }).version === version;
}

test('what the issuer signs is looked at before it is served: another ID, another key, a broken chain', async () => {
  const other = await TestAuthority.create('example.org', NOW);
  const bends: readonly (typeof node.issuer.bend)[] = [
    () => [],
    ([leaf]) => [leaf ?? new Uint8Array(), Buffer.from('junk')],
    ([leaf]) => [leaf ?? new Uint8Array(), leaf ?? new Uint8Array()],
    () => [other.root],
    (chain) => [...chain].toReversed(),
    (chain) => Array.from({ length: 9 }, () => chain[0] ?? new Uint8Array()),
  ];
  for (const bend of bends) {
    node.issuer.bend = bend;
    const uid = randomUUID();
    const asked = node.issuer.x509Requests.length;
    node.issuer.pushPod(podMessage(uid, ['/a']));
    await until(() => node.issuer.x509Requests.length > asked);
    const request = node.kubelet.request({ uid });
    const publish = node.kubelet.node.nodePublishVolume(request);
    await until(() =>
      node.issuer.reports.some(
        ({ report }) => report.case === 'published' && report.value.podUid === uid,
      ),
    );
    const workload = node.workload(request);
    const early = new Messages(workload.fetchX509SVID({}, node.call)).next();
    const late = during(early, async () => await node.clock.advance(1000));
    await assert.rejects(late, { code: 'unavailable' }, 'nothing bad is served');
    node.issuer.bend = (chain) => chain;
    await node.clock.advance(60_000);
    await publish;
    const message = await new Messages(workload.fetchX509SVID({}, node.call)).next();
    const [leaf = new Uint8Array()] = splitCertificates(
      message.svids[0]?.x509Svid ?? new Uint8Array(),
    );
    const key = createPrivateKey({
      key: Buffer.from(message.svids[0]?.x509SvidKey ?? []),
      format: 'der',
      type: 'pkcs8',
    });
    assert.ok(new X509Certificate(leaf).publicKey.equals(createPublicKey(key)));
  }
});
