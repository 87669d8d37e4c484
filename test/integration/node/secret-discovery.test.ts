// Envoy's secret discovery on a pod's socket, by a client that is no Envoy: only where it was asked
// for, and never more than the pod's own.

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
const closing: { close(): void }[] = [];
beforeEach(async () => {
  node = await NodeHarness.start();
});
afterEach(async () => {
  for (const each of closing.splice(0)) each.close();
  await node.stop();
});

async function published(paths: readonly string[], attributes?: Record<string, string>) {
  const uid = randomUUID();
  node.issuer.pushPod(podMessage(uid, paths));
  const { client } = await publishSecrets(node, { uid }, attributes);
  closing.push(client);
  return { uid, client };
}

function open(client: SecretsClient, resourceNames: string[]): DiscoveryStream {
  const stream = new DiscoveryStream(client);
  closing.push(stream);
  stream.say({ node: ENVOY, resourceNames });
  return stream;
}

test('W6: without the security header, which Envoy cannot send', async () => {
  const { client } = await published(['/a']);
  const response = await open(client, ['default']).next();
  assert.deepEqual([...secretsIn(response).keys()], ['default']);
  const fetched = await client.fetchSecrets({ resourceNames: ['ROOTCA', A] });
  assert.deepEqual([...secretsIn(fetched).keys()], ['ROOTCA', A]);
  const everything = await client.fetchSecrets({});
  assert.deepEqual([...secretsIn(everything).keys()], [A, 'spiffe://example.org']);
});

for (const [name, attributes] of [
  ['no attribute', {}],
  ['"false"', { 'signet.dev/sds': 'false' }],
] as const) {
  test(`not served unless asked for: ${name}`, async () => {
    const { client } = await published(['/a'], attributes);
    await assert.rejects(client.fetchSecrets({}), { code: 'unimplemented' });
    await assert.rejects(open(client, ['default']).next(), { code: 'unimplemented' });
  });
}

test('served on the volume that is Istio’s by name, unless told not to', async () => {
  const uid = randomUUID();
  node.issuer.pushPod(podMessage(uid, ['/a']));
  const { client } = await publishSecrets(node, { uid, volume: 'workload-socket' }, {});
  closing.push(client);
  assert.equal((await client.fetchSecrets({ resourceNames: ['default'] })).resources.length, 1);
  const other = randomUUID();
  node.issuer.pushPod(podMessage(other, ['/a']));
  const off = { 'signet.dev/sds': 'false' };
  const second = await publishSecrets(node, { uid: other, volume: 'workload-socket' }, off);
  closing.push(second.client);
  await assert.rejects(second.client.fetchSecrets({}), { code: 'unimplemented' });
});

test('still asked for after the plugin was replaced', async () => {
  const { uid } = await published(['/a']);
  await node.stopFirst();
  await node.startPlugin();
  const { client } = await publishSecrets(node, { uid });
  closing.push(client);
  assert.equal((await client.fetchSecrets({ resourceNames: ['default'] })).resources.length, 1);
});

test('what a browser or HTTP client sends is refused', async () => {
  const { client } = await published(['/a']);
  for (const name of ['origin', 'cookie', 'sec-fetch-mode']) {
    const call = { metadata: { [name]: 'x' } };
    await assert.rejects(client.fetchSecrets({}, call), { code: 'invalid-argument' }, name);
    const stream = new DiscoveryStream(client, call.metadata);
    closing.push(stream);
    await assert.rejects(stream.next(), { code: 'invalid-argument' }, name);
  }
});

test('W6: DeltaSecrets is Unimplemented', async () => {
  const { client } = await published(['/a']);
  const none = (async function* () {})();
  const answers = client.deltaSecrets(none)[Symbol.asyncIterator]();
  await assert.rejects(answers.next(), { code: 'unimplemented' });
});

test('W6: a name that is not the pod’s is InvalidArgument to a fetch; other secrets with it too', async () => {
  const { client } = await published(['/a']);
  for (const name of [B, 'spiffe://other.test', 'spiffe://example.org/a/b']) {
    const fetching = client.fetchSecrets({ resourceNames: [A, name] });
    await assert.rejects(fetching, { code: 'invalid-argument', message: /^resource_names: 1 / });
  }
});

test('a stream waits for a name, and is answered when it is the pod’s', async () => {
  const { uid, client } = await published(['/a']);
  const stream = open(client, [B]);
  await stream.staysSilent();
  node.issuer.pushPod(podMessage(uid, ['/a', '/b'], { version: 2n }));
  assert.deepEqual([...secretsIn(await stream.next()).keys()], [B]);
  await stream.staysSilent();
});

test('a stream waits for a first identity, of a pod that is not known yet', async () => {
  const uid = randomUUID();
  const publishing = publishSecrets(node, { uid });
  const { client } = await during(publishing, async () => await node.clock.advance(1000));
  closing.push(client);
  const stream = open(client, ['default', 'ROOTCA']);
  await stream.staysSilent();
  node.issuer.pushPod(podMessage(uid, ['/a']));
  assert.deepEqual([...secretsIn(await stream.next()).keys()], ['default', 'ROOTCA']);
});

test('a name that can never have a secret ends the stream', async () => {
  const { client } = await published(['/a']);
  await assert.rejects(open(client, ['default', 'kubernetes://cert']).next(), {
    code: 'invalid-argument',
    message: /^resource_names: neither/,
  });
});

test('a federated bundle is for its own trust domain', async () => {
  const partner = await TestAuthority.create('partner.test', NOW);
  node.issuer.federated = [partner.bundle];
  node.issuer.pushBundles();
  const uid = randomUUID();
  node.issuer.pushPod(podMessage(uid, ['/a'], { entry: { federatesWith: ['partner.test'] } }));
  const { client } = await publishSecrets(node, { uid });
  closing.push(client);
  const names = ['ALL', 'spiffe://partner.test'];
  const response = await open(client, names).next();
  assert.deepEqual([...secretsIn(response).keys()], names);
  const plain = client.fetchSecrets({ resourceNames: ['ALL'] });
  await assert.rejects(plain, { code: 'failed-precondition' });
  const one = await client.fetchSecrets({ resourceNames: ['spiffe://partner.test'] });
  assert.equal(one.resources.length, 1);
});
