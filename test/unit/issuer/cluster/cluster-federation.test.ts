// What the issuer reads of other trust domains: the stored document, whole, and nothing that is not one.

import assert from 'node:assert/strict';
import { after, before, beforeEach, test } from 'node:test';
import { systemClock } from '../../../../src/base/clock.ts';
import { silentLogger } from '../../../../src/base/log.ts';
import { keyDigests } from '../../../../src/federation/bundle-check.ts';
import { formatFederatedBundles } from '../../../../src/federation/federated-bundle.ts';
import { ClusterFederation } from '../../../../src/issuer/cluster/cluster-federation.ts';
import { KubeClient } from '../../../../src/kube/kube-client.ts';
import type { Bundle } from '../../../../src/spiffe/bundle/bundle.ts';
import { FakeApiServer } from '../../../fakes/fake-api-server.ts';
import { FakeClock } from '../../../fakes/fake-clock.ts';
import { bundleOf, OWN } from '../../federation/fixtures.ts';

const COLLECTION = '/api/v1/configmaps';
const NAME = 'signet-federated-bundles';
const namespace = 'signet';
const LOOK_MS = 3000;

let api: FakeApiServer;
let client: KubeClient;
let clock: FakeClock;
let federation: ClusterFederation;
let changes: number;
let ownKeys: ReadonlySet<string> | undefined;

before(async () => {
  api = await FakeApiServer.start();
  api.define(COLLECTION, 'v1', 'ConfigMap');
  const credentials = async () => ({ token: api.token, ca: api.ca });
  client = new KubeClient({
    access: { url: api.url, credentials },
    clock: systemClock,
    userAgent: 'test',
  });
});
after(async () => {
  client.close();
  await api.stop();
});
beforeEach(() => {
  clock = new FakeClock();
  changes = 0;
  ownKeys = new Set();
  federation = new ClusterFederation({
    ownTrustDomain: OWN,
    ownKeys: () => ownKeys,
    client,
    namespace,
    clock,
    log: silentLogger,
  });
  federation.onFederationChange(() => {
    changes += 1;
  });
});

function put(text: string | undefined) {
  const data = text === undefined ? {} : { data: { 'document.json': text } };
  api.set(COLLECTION, { metadata: { name: NAME, namespace }, ...data });
}

const documentOf = (...names: readonly string[]) =>
  documentWith(names.map((name) => bundleOf(name, { sequence: 1 })));

const documentWith = (bundles: readonly Bundle[], bootstrapDigest = '') =>
  formatFederatedBundles(
    new Map(
      bundles.map((bundle) => {
        const { trustDomain, sequence: highestSequence } = bundle;
        const more = { uid: 'u', labels: {}, highestSequence, bootstrapDigest };
        return [trustDomain, { trustDomain, bundle, isFetched: true, ...more }] as const;
      }),
    ),
  );

/** Until the next look is over. */
async function look(): Promise<readonly string[]> {
  const { length } = api.requests;
  await clock.advance(LOOK_MS);
  const end = Date.now() + 5000;
  while (api.requests.length === length && Date.now() < end) await clock.advance(0);
  // The answer is on its way, over a real socket.
  for (let wait = 0; wait < 50; wait += 1) {
    await systemClock.sleep(2, new AbortController().signal);
    await clock.advance(0);
  }
  return federation.federatedTrustDomains().map(({ trustDomain }) => trustDomain);
}

test('FE-11: taken up as it changes; what is no document changes nothing', async () => {
  const stop = new AbortController();
  put(undefined);
  const running = federation.run(stop.signal);
  assert.deepEqual(await look(), []);
  put(documentOf('a.test', 'b.test'));
  assert.deepEqual(await look(), ['a.test', 'b.test']);
  assert.equal(changes, 1);
  for (const bad of ['{', '{"format":2}', undefined, '']) {
    put(bad);
    assert.deepEqual(await look(), ['a.test', 'b.test'], bad);
  }
  api.delete(COLLECTION, NAME, namespace);
  assert.deepEqual(await look(), ['a.test', 'b.test']);
  assert.equal(changes, 1);
  put(documentOf('b.test'));
  assert.deepEqual(await look(), ['b.test']);
  put(documentOf());
  assert.deepEqual(await look(), []);
  assert.equal(changes, 3);
  stop.abort();
  await running;
});

test('TB-18: whoever writes the document gets no key of ours into it, and takes none back', async () => {
  const stop = new AbortController();
  const [ours, theirs] = [bundleOf(OWN), bundleOf('a.test', { sequence: 7 })];
  ownKeys = undefined;
  const mixed = { ...theirs, jwtAuthorities: ours.jwtAuthorities };
  put(documentWith([bundleOf(OWN, { sequence: 9 }), mixed]));
  const running = federation.run(stop.signal);
  assert.deepEqual(await look(), [], 'nothing before it is known which keys are ours');
  ownKeys = new Set(keyDigests(ours));
  const [only, ...more] = federation.federatedTrustDomains();
  assert.deepEqual(more, []);
  assert.equal(only?.trustDomain, 'a.test');
  assert.equal(only.bundle.jwtAuthorities.size, 0);
  assert.equal(only.bundle.x509Authorities.length, 1);
  const sequence = () => federation.federatedTrustDomains()[0]?.bundle.sequence;
  put(documentWith([bundleOf('a.test', { sequence: 6 })]));
  await look();
  assert.equal(sequence(), 7);
  put(documentWith([bundleOf('a.test', { sequence: 6 })], 'another word of the operator'));
  await look();
  assert.equal(sequence(), 6);
  stop.abort();
  await running;
});
