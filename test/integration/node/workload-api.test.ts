// The Workload API on a pod's socket, from the issuer's word to what a client reads.

import assert from 'node:assert/strict';
import { createPrivateKey, createPublicKey, randomUUID, X509Certificate } from 'node:crypto';
import { afterEach, beforeEach, test } from 'node:test';
import { create } from '@bufbuild/protobuf';
import { Client, credentials, Metadata, status } from '@grpc/grpc-js';
import { CodedError } from '../../../src/base/errors.ts';
import { splitCertificates } from '../../../src/spiffe/certificate/certificate.ts';
import { SpiffeWorkloadAPI } from '../../../src/transport/gen/spiffe/workload_pb.ts';
import { methodDefinition } from '../../../src/transport/grpc/grpc-service.ts';
import { podMessage, TestAuthority } from '../../fakes/fake-issuer.ts';
import { during, HEADER, Messages, NOW, NodeHarness, until } from './node-harness.ts';

let node: NodeHarness;
beforeEach(async () => {
  node = await NodeHarness.start();
});
afterEach(async () => await node.stop());

/** A pod that the issuer has entries for, published, with a client of its socket. */
async function pod(paths: readonly string[], more: Parameters<typeof podMessage>[2] = {}) {
  const uid = randomUUID();
  node.issuer.pushPod(podMessage(uid, paths, more));
  return { uid, ...(await node.publish({ uid })) };
}
const ids = (message: { svids: readonly { spiffeId: string }[] }) =>
  message.svids.map((svid) => svid.spiffeId);

const BAD_HEADERS: readonly (readonly [string, readonly string[]])[] = [
  ['absent', []],
  ['false', ['false']],
  ['TRUE', ['TRUE']],
  ['empty', ['']],
  ['twice', ['true', 'true']],
  ['twice, differing', ['true', 'false']],
];
for (const method of SpiffeWorkloadAPI.methods) {
  test(`WE-07, WE-24: ${method.name} without the one security header is InvalidArgument`, async () => {
    const { request } = await pod([]);
    const client = new Client(`unix:${node.socketOf(request)}`, credentials.createInsecure());
    try {
      for (const [name, values] of BAD_HEADERS) {
        const metadata = new Metadata();
        for (const value of values) metadata.add('workload.spiffe.io', value);
        assert.equal(await statusOf(client, method, metadata), status.INVALID_ARGUMENT, name);
      }
      for (const foreign of ['origin', 'cookie', 'sec-fetch-mode', 'referer']) {
        const metadata = new Metadata();
        metadata.add('workload.spiffe.io', 'true');
        metadata.add(foreign, 'x');
        assert.equal(await statusOf(client, method, metadata), status.INVALID_ARGUMENT, foreign);
      }
    } finally {
      client.close();
    }
  });
}

async function statusOf(
  client: Client,
  method: (typeof SpiffeWorkloadAPI.methods)[number],
  metadata: Metadata,
): Promise<number> {
  const { path, requestSerialize, responseDeserialize } = methodDefinition(method);
  return await new Promise((resolve) => {
    const stream = client.makeServerStreamRequest(
      path,
      requestSerialize,
      responseDeserialize,
      create(method.input),
      metadata,
    );
    stream.on('data', () => {});
    stream.on('error', () => {});
    stream.on('status', ({ code }) => resolve(code));
  });
}

test('WA-34, PF-09: the WIT profile is Unimplemented for all its calls', async () => {
  const { workload } = await pod(['/a']);
  for (const stream of [
    workload.fetchWITSVID({}, node.call),
    workload.fetchWITBundles({}, node.call),
  ]) {
    await assert.rejects(new Messages<unknown>(stream).next(), { code: 'unimplemented' });
  }
});

test('WA-06, WA-13, WA-14, WA-17, PF-10: the first message is there at once, complete, and DER', async () => {
  const { workload } = await pod(['/ns/shop/sa/default']);
  const message = await new Messages(workload.fetchX509SVID({}, node.call)).next();
  const [svid] = message.svids;
  assert.ok(svid !== undefined);
  assert.equal(svid.spiffeId, 'spiffe://example.org/ns/shop/sa/default');
  const [leaf, intermediate, ...more] = splitCertificates(svid.x509Svid);
  assert.ok(leaf !== undefined && intermediate !== undefined);
  assert.equal(more.length, 0);
  const certificate = new X509Certificate(leaf);
  assert.equal(certificate.subjectAltName, `URI:${svid.spiffeId}`);
  const key = createPrivateKey({
    key: Buffer.from(svid.x509SvidKey),
    format: 'der',
    type: 'pkcs8',
  });
  assert.ok(certificate.checkPrivateKey(key));
  assert.ok(certificate.verify(new X509Certificate(intermediate).publicKey));
  assert.deepEqual(Buffer.from(svid.bundle), Buffer.from(node.issuer.authority.root));
  assert.deepEqual(message.crl, [], 'PF-10');
});

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

test('WA-38: the default identity is the first entry, whatever was signed first', async () => {
  const { uid, workload } = await pod(['/b']);
  const [entry] = podMessage(uid, ['/b']).entries ?? [];
  assert.ok(entry !== undefined);
  const first = { ...entry, entryId: 'entry-new', spiffeId: 'spiffe://example.org/new' };
  node.issuer.pushPod({ ...podMessage(uid, []), version: 2n, entries: [first, entry] });
  const messages = new Messages(workload.fetchX509SVID({}, node.call));
  let seen = ids(await messages.next());
  if (seen.length === 1) seen = ids(await messages.next());
  assert.deepEqual(seen, ['spiffe://example.org/new', 'spiffe://example.org/b']);
});

test('WA-22, WA-28, WA-29: a new bundle is pushed to all three kinds of stream, own domain under its SPIFFE ID', async () => {
  const { workload } = await pod(['/a']);
  const svids = new Messages(workload.fetchX509SVID({}, node.call));
  const x509 = new Messages(workload.fetchX509Bundles({}, node.call));
  const jwt = new Messages(workload.fetchJWTBundles({}, node.call));
  await svids.next();
  const own = 'spiffe://example.org';
  assert.deepEqual(Object.keys((await x509.next()).bundles), [own], 'WA-22');
  const jwks: unknown = JSON.parse(Buffer.from((await jwt.next()).bundles[own] ?? []).toString());
  assert.deepEqual(
    (jwks as { keys: { use: string }[] }).keys.map((key) => key.use),
    ['jwt-svid'],
    'WA-29',
  );
  const old = Buffer.from(node.issuer.authority.root);
  const next = await TestAuthority.create('example.org', NOW);
  node.issuer.push({
    case: 'bundles',
    value: { own: { ...next.bundle, sequence: 2n, x509Authorities: [old, next.root] } },
  });
  const both = Buffer.concat([old, next.root]);
  assert.deepEqual(Buffer.from((await svids.next()).svids[0]?.bundle ?? []), both);
  assert.deepEqual(Buffer.from((await x509.next()).bundles[own] ?? []), both);
  await jwt.next();
});

test('a bundle of a lower sequence, of another trust domain, or one that does not parse changes nothing', async () => {
  const { workload } = await pod(['/a']);
  const stream = new Messages(workload.fetchX509Bundles({}, node.call));
  const own = 'spiffe://example.org';
  const [authority, other] = [
    node.issuer.authority,
    await TestAuthority.create('example.org', NOW),
  ];
  await stream.next();
  const forged = await TestAuthority.create('evil.test', NOW);
  node.issuer.push({ case: 'bundles', value: { own: { ...forged.bundle, sequence: 9n } } });
  node.issuer.push({ case: 'bundles', value: { own: { ...other.bundle, sequence: 0n } } });
  node.issuer.push({
    case: 'bundles',
    value: { own: { ...other.bundle, sequence: 9n, x509Authorities: [Buffer.from('junk')] } },
  });
  node.issuer.push({
    case: 'bundles',
    value: { own: { ...other.bundle, sequence: 9n, x509Authorities: [] } },
  });
  node.issuer.push({
    case: 'bundles',
    value: {
      own: { ...authority.bundle, sequence: 10n, x509Authorities: [authority.root, other.root] },
    },
  });
  const { bundles } = await stream.next();
  assert.deepEqual(Buffer.from(bundles[own] ?? []), Buffer.concat([authority.root, other.root]));
});

test('federated bundles go to the pods that federate; an unusable one is left out alone', async () => {
  const federated = await TestAuthority.create('partner.test', NOW);
  const broken = {
    ...federated.bundle,
    trustDomain: 'broken.test',
    jwtAuthorities: Buffer.from('{'),
  };
  node.issuer.federated = [federated.bundle, broken];
  node.issuer.pushBundles();
  const entry = { federatesWith: ['partner.test', 'broken.test', 'unheard.test'] };
  const { workload } = await pod(['/a'], { entry });
  const { workload: alone } = await pod(['/b']);
  const message = await new Messages(workload.fetchX509SVID({}, node.call)).next();
  assert.deepEqual(Object.keys(message.federatedBundles), ['spiffe://partner.test']);
  const other = await new Messages(alone.fetchX509SVID({}, node.call)).next();
  assert.deepEqual(Object.keys(other.federatedBundles), []);
});

test('WA-18, PF-04: hints are unique in a response, the first keeps it', async () => {
  const { workload } = await pod(['/a', '/b'], { entry: { hint: 'main' } });
  const { svids } = await new Messages(workload.fetchX509SVID({}, node.call)).next();
  assert.deepEqual(
    svids.map((svid) => svid.hint),
    ['main', ''],
  );
  const tokens = await workload.fetchJWTSVID({ audience: ['x'] }, node.call);
  assert.deepEqual(
    tokens.svids.map((svid) => svid.hint),
    ['main', ''],
  );
});

test('WA-20, WE-18: a pod without identity is PermissionDenied, in words that clients wait on', async () => {
  const { workload } = await pod([]);
  const message = 'no identity issued: NoPolicy; run: signet explain pod/web-1 -n shop';
  const denied = { code: 'permission-denied', message };
  const calls: readonly (() => Promise<unknown>)[] = [
    async () => await new Messages(workload.fetchX509SVID({}, node.call)).next(),
    async () => await new Messages(workload.fetchX509Bundles({}, node.call)).next(),
    async () => await new Messages(workload.fetchJWTBundles({}, node.call)).next(),
    async () => await workload.fetchJWTSVID({ audience: ['x'] }, node.call),
    async () => await workload.validateJWTSVID({ audience: 'x', svid: 'y' }, node.call),
  ];
  for (const call of calls) await assert.rejects(call(), denied);
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

test('the security header is the only metadata that is needed', async () => {
  const { workload } = await pod(['/a']);
  await new Messages(workload.fetchX509SVID({}, { ...node.call, metadata: HEADER })).next();
});
