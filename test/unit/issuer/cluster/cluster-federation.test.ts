// What the issuer reads of other trust domains: the stored document, whole, and nothing that is not one.

import assert from 'node:assert/strict';
import { after, before, beforeEach, test } from 'node:test';
import { systemClock } from '../../../../src/base/clock.ts';
import { silentLogger } from '../../../../src/base/log.ts';
import { formatFederatedBundles } from '../../../../src/federation/federated-bundle.ts';
import { ClusterFederation } from '../../../../src/issuer/cluster/cluster-federation.ts';
import { KubeClient } from '../../../../src/kube/kube-client.ts';
import { FakeApiServer } from '../../../fakes/fake-api-server.ts';
import { FakeClock } from '../../../fakes/fake-clock.ts';
import { bundleOf } from '../../federation/fixtures.ts';

const COLLECTION = '/api/v1/configmaps';
const NAME = 'signet-federated-bundles';
const namespace = 'signet';
const LOOK_MS = 3000;

let api: FakeApiServer;
let client: KubeClient;
let clock: FakeClock;
let federation: ClusterFederation;
let changes: number;

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
  federation = new ClusterFederation({ client, namespace, clock, log: silentLogger });
  federation.onFederationChange(() => {
    changes += 1;
  });
});

function put(text: string | undefined) {
  const data = text === undefined ? {} : { data: { 'document.json': text } };
  api.set(COLLECTION, { metadata: { name: NAME, namespace }, ...data });
}

const documentOf = (...names: readonly string[]) =>
  formatFederatedBundles(
    new Map(
      names.map((name) => {
        const bundle = bundleOf(name, { sequence: 1 });
        const { trustDomain } = bundle;
        const more = { uid: 'u', labels: {}, highestSequence: 1, bootstrapDigest: '' };
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
