// How a stream of secret discovery goes on: acknowledged and rejected responses, renewals, new
// bundles, what is withdrawn, and who speaks too much.

import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { afterEach, beforeEach, test } from 'node:test';
import { podMessage } from '../../fakes/fake-issuer.ts';
import { TestAuthority } from '../../fakes/test-authority.ts';
import {
  DiscoveryStream,
  ENVOY,
  publishSecrets,
  type SecretsClient,
  secretsIn,
} from './discovery-stream.ts';
import { during, NOW, NodeHarness } from './node-harness.ts';

const A = 'spiffe://example.org/a';
const B = 'spiffe://example.org/b';

let node: NodeHarness;
let client: SecretsClient;
let uid: string;
const streams: DiscoveryStream[] = [];
beforeEach(async () => {
  node = await NodeHarness.start();
  uid = randomUUID();
  node.issuer.pushPod(podMessage(uid, ['/a', '/b']));
  ({ client } = await publishSecrets(node, { uid }));
});
afterEach(async () => {
  for (const stream of streams.splice(0)) stream.close();
  client.close();
  await node.stop();
});

function open(resourceNames: string[]): DiscoveryStream {
  const stream = new DiscoveryStream(client);
  streams.push(stream);
  stream.say({ node: ENVOY, resourceNames });
  return stream;
}

const tick = async () => await node.clock.advance(60_000);

test('a renewed SVID is pushed, to whom it concerns alone', async () => {
  const identity = open([A]);
  const bundle = open(['ROOTCA']);
  const first = await identity.next();
  bundle.acknowledge(await bundle.next(), ['ROOTCA']);
  identity.acknowledge(first, [A]);
  const second = await during(identity.next(), tick);
  assert.notDeepEqual(secretsIn(second).get(A), secretsIn(first).get(A));
  assert.notEqual(second.versionInfo, first.versionInfo);
  assert.notEqual(second.nonce, first.nonce);
  await bundle.staysSilent();
});

test('a new bundle is pushed, to whom it concerns alone', async () => {
  const identity = open(['default']);
  const bundle = open(['ROOTCA', 'spiffe://example.org']);
  await identity.next();
  const first = await bundle.next();
  const { authority } = node.issuer;
  const successor = await TestAuthority.create('example.org', NOW);
  const grown = { ...authority.bundle, sequence: 2n };
  grown.x509Authorities.push(successor.root);
  node.issuer.push({
    case: 'bundles',
    value: { own: grown, federated: [], restrictionVersion: 1n },
  });
  const second = await bundle.next();
  assert.deepEqual([...secretsIn(second).keys()], ['ROOTCA', 'spiffe://example.org']);
  assert.notEqual(second.versionInfo, first.versionInfo);
  await identity.staysSilent();
});

test('what is rejected is not sent again, and the next one is', async () => {
  const stream = open([A]);
  stream.acknowledge(await stream.next(), [A], 'cannot use it');
  await stream.staysSilent();
  const renewed = await during(stream.next(), tick);
  assert.deepEqual([...secretsIn(renewed).keys()], [A]);
});

test('names are added and dropped on one stream; what was given is not given again', async () => {
  const stream = open([A]);
  const first = await stream.next();
  stream.acknowledge(first, [A, B]);
  const second = await stream.next();
  assert.deepEqual([...secretsIn(second).keys()], [B]);
  stream.acknowledge(second, [B]);
  await stream.staysSilent();
  stream.acknowledge(first, [A, B, 'ROOTCA']);
  await stream.staysSilent();
  stream.acknowledge(second, [B, 'ROOTCA']);
  assert.deepEqual([...secretsIn(await stream.next()).keys()], ['ROOTCA']);
});

test('a request may be as large as an Envoy’s, for every secret of many at once', async () => {
  const metadata = { labels: 'x'.repeat(100_000) };
  const many = Array.from({ length: 48 }, (_, at) => [A, `spiffe://example.org/not/${at}`]);
  const opened = many.map((resourceNames) => {
    const stream = new DiscoveryStream(client);
    streams.push(stream);
    stream.say({ node: { ...ENVOY, metadata }, resourceNames });
    return stream;
  });
  for (const stream of opened) assert.equal((await stream.next()).resources.length, 1);
  const fetch = async (bytes: number) =>
    await client.fetchSecrets({
      node: { ...ENVOY, metadata: { labels: 'x'.repeat(bytes) } },
      resourceNames: [A],
    });
  assert.equal((await fetch(260_000)).resources.length, 1);
  await assert.rejects(fetch(263_000), { code: 'resource-exhausted' });
});

test('a client that says nothing more gets what is there, and the stream ends with OK', async () => {
  const stream = open([A, 'spiffe://example.org/c']);
  const [response, ...more] = await stream.rest();
  assert.ok(response !== undefined);
  assert.deepEqual([...secretsIn(response).keys()], [A]);
  assert.deepEqual(more, []);
});

test('a suspended pod’s stream ends with PermissionDenied, at once, and so does the next', async () => {
  const stream = open(['ROOTCA']);
  const silent = new DiscoveryStream(client);
  streams.push(silent);
  await stream.next();
  const suspended = { code: 'permission-denied', message: /^no identity issued: Suspended;/ };
  const silentEnd = assert.rejects(silent.next(), suspended);
  node.issuer.pushPod(podMessage(uid, [], { version: 2n, refusal: 'Suspended' }));
  await assert.rejects(stream.next(), suspended);
  await silentEnd;
  await assert.rejects(open(['ROOTCA']).next(), suspended);
  await assert.rejects(client.fetchSecrets({}), suspended);
});

test('an identity that was withdrawn ends the stream it was given on; another stream waits', async () => {
  const had = open([A, B]);
  await had.next();
  const kept = open([A]);
  await kept.next();
  node.issuer.pushPod(podMessage(uid, ['/a'], { version: 2n }));
  await assert.rejects(during(had.next(), tick), {
    code: 'permission-denied',
    message: /^no identity issued: NotEntitled;/,
  });
  await open([B]).staysSilent();
});

const sdsDenied = { code: 'permission-denied', message: /^no identity issued: SdsDenied;/ };

test('sds: Deny of one identity ends streams that name it; its neighbour’s go on', async () => {
  const denied = open([A]);
  const byDefault = open(['default']);
  const other = open([B]);
  for (const stream of [denied, byDefault, other]) await stream.next();
  const [a, b] = podMessage(uid, ['/a', '/b']).entries;
  assert.ok(a !== undefined && b !== undefined);
  const entries = [{ ...a, sdsDenied: true }, b];
  node.issuer.pushPod({ ...podMessage(uid, []), refusal: '', version: 2n, entries });
  await assert.rejects(during(denied.next(), tick), sdsDenied);
  await assert.rejects(during(byDefault.next(), tick), sdsDenied);
  await assert.rejects(client.fetchSecrets({ resourceNames: [A] }), sdsDenied);
  assert.equal((await client.fetchSecrets({ resourceNames: [B] })).resources.length, 1);
});

test('sds: Deny of every identity ends it as a whole, and the Workload API goes on', async () => {
  const bundle = open(['ROOTCA']);
  await bundle.next();
  const entry = { sdsDenied: true };
  node.issuer.pushPod(podMessage(uid, ['/a'], { version: 2n, entry }));
  await assert.rejects(during(bundle.next(), tick), sdsDenied);
  await assert.rejects(client.fetchSecrets({}), sdsDenied);
});

test('the plugin ends: streams end with Unavailable', async () => {
  const stream = open(['default']);
  await stream.next();
  const next = assert.rejects(stream.next(), { code: 'unavailable' });
  await node.stopFirst();
  await next;
});

test('a flood of requests ends the stream, a busy Envoy’s words do not', async () => {
  const stream = open([A]);
  const response = await stream.next();
  for (let at = 0; at < 200; at += 1) stream.acknowledge(response, [A]);
  await stream.staysSilent();
  for (let at = 0; at < 1000; at += 1) stream.acknowledge(response, [A]);
  await assert.rejects(stream.next(), { code: 'resource-exhausted' });
  await assert.rejects(client.fetchSecrets({}), { code: 'resource-exhausted' });
  await node.clock.advance(1000);
  assert.equal((await client.fetchSecrets({ resourceNames: [A] })).resources.length, 1);
});
