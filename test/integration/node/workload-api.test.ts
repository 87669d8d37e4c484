// The Workload API on a pod's socket: its calls, and what they answer at once.

import assert from 'node:assert/strict';
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { test } from 'node:test';
import { create } from '@bufbuild/protobuf';
import { Client, credentials, Metadata, status } from '@grpc/grpc-js';
import { splitCertificates } from '../../../src/spiffe/certificate/certificate.ts';
import { SpiffeWorkloadAPI } from '../../../src/transport/gen/spiffe/workload_pb.ts';
import { methodDefinition } from '../../../src/transport/grpc/grpc-service.ts';
import { podMessage } from '../../fakes/fake-issuer.ts';
import { HEADER, Messages } from './node-harness.ts';
import { ids, node, pod, useNode } from './workload-fixtures.ts';

useNode();

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

test('the security header is the only metadata that is needed', async () => {
  const { workload } = await pod(['/a']);
  await new Messages(workload.fetchX509SVID({}, { ...node.call, metadata: HEADER })).next();
});
