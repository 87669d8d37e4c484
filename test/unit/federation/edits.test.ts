// Objects that change or go, and how an https_spiffe endpoint is known at each moment.

import assert from 'node:assert/strict';
import { afterEach, beforeEach, test } from 'node:test';
import type { FetchRequest } from '../../../src/federation/bundle-fetch.ts';
import { readFederatedBundles } from '../../../src/federation/federated-bundle.ts';
import type { Bundle } from '../../../src/spiffe/bundle/bundle.ts';
import { FederationHarness, MINUTE } from './federation-harness.ts';
import { bundleOf, OWN, objectOf, PEER } from './fixtures.ts';

let harness: FederationHarness;
beforeEach(() => {
  harness = new FederationHarness().start();
});
afterEach(async () => await harness.stop());

const authoritiesOf = ({ trust }: FetchRequest) =>
  trust.type === 'https_spiffe' ? trust.authorities : undefined;

test('FE-26, FE-30: known by the bundle to begin with first, by the newest one from then on', async () => {
  const first = bundleOf(PEER, { sequence: 1, hint: 60 });
  const second = bundleOf(PEER, { sequence: 2, hint: 60 });
  harness.answers.set(PEER, second);
  const endpointId = `spiffe://${PEER}/endpoint`;
  await harness.set(objectOf(PEER, { endpointId, bootstrap: first }));
  await harness.pass(MINUTE);
  assert.deepEqual(harness.asked.map(authoritiesOf), [
    first.x509Authorities,
    second.x509Authorities,
  ]);
});

test('FE-25: without any bundle an https_spiffe endpoint is not even asked, and it is said why', async () => {
  await harness.set(objectOf(PEER, { endpointId: `spiffe://${PEER}/endpoint` }));
  assert.equal(harness.asked.length, 0);
  const { reasons } = harness.status(PEER);
  assert.deepEqual(reasons, ['Ready NoBundle', 'Refreshed NoBundleToAuthenticate']);
});

test('FE-27: an endpoint of another trust domain is known by the bundle of that one alone', async () => {
  const host = bundleOf('host.test', { sequence: 1 });
  harness.answers.set(PEER, bundleOf(PEER, { sequence: 1 }));
  harness.answers.set('host.test', host);
  const object = objectOf(PEER, {
    endpointId: 'spiffe://host.test/endpoint',
    bootstrap: bundleOf(PEER),
  });
  await harness.set(object);
  assert.equal(harness.asked.length, 0);
  await harness.set(object, objectOf('host.test'));
  await harness.pass(MINUTE);
  const [asked] = harness.asked.filter(({ trustDomain }) => trustDomain === PEER);
  assert.ok(asked !== undefined);
  assert.deepEqual(authoritiesOf(asked), host.x509Authorities);
});

test('FE-27: an endpoint of our own trust domain is known by our own bundle', async () => {
  harness.answers.set(PEER, bundleOf(PEER));
  await harness.set(objectOf(PEER, { endpointId: `spiffe://${OWN}/mirror` }));
  assert.deepEqual(harness.asked.map(authoritiesOf), [harness.own.x509Authorities]);
});

test('FE-21: what is fetched is a bundle of the trust domain that was declared', async () => {
  harness.answers.set(PEER, bundleOf(PEER));
  await harness.set(objectOf(PEER));
  assert.deepEqual(
    harness.asked.map(({ trustDomain, url }) => [trustDomain, url]),
    [[PEER, `https://${PEER}/bundle`]],
  );
});

test('D5: an edit of URL, profile or bundle takes effect at once', async () => {
  harness.answers.set(PEER, bundleOf(PEER, { sequence: 1 }));
  await harness.set(objectOf(PEER));
  await harness.set(objectOf(PEER, { url: 'https://elsewhere.test/' }));
  assert.equal(harness.asked.at(-1)?.url, 'https://elsewhere.test/');
  await harness.set(objectOf(PEER, { endpointId: `spiffe://${PEER}/endpoint` }));
  assert.equal(harness.asked.at(-1)?.trust.type, 'https_spiffe');
  assert.equal(harness.asked.length, 3);
  const bootstrap = bundleOf(PEER, { sequence: 1 });
  harness.answers.delete(PEER);
  await harness.set(objectOf(PEER, { bootstrap }));
  assert.deepEqual(harness.served(PEER)?.x509Authorities, bootstrap.x509Authorities);
  assert.equal(harness.asked.length, 4);
  // The same again is no edit.
  await harness.set(objectOf(PEER, { bootstrap }));
  assert.equal(harness.asked.length, 4);
});

test('D5: an edit during a fetch wins over what that fetch brings', async () => {
  const late = Promise.withResolvers<Bundle>();
  harness.answers.set(PEER, async () => await late.promise);
  await harness.set(objectOf(PEER));
  harness.answers.set(PEER, bundleOf(PEER, { sequence: 2 }));
  await harness.set(objectOf(PEER, { url: 'https://elsewhere.test/' }));
  late.resolve(bundleOf(PEER, { sequence: 9 }));
  await harness.rest();
  assert.deepEqual(
    harness.asked.map(({ url }) => url),
    [`https://${PEER}/bundle`, 'https://elsewhere.test/'],
  );
  assert.equal(harness.served(PEER)?.sequence, 2);
});

test('labels are stored as they change, without a fetch', async () => {
  harness.answers.set(PEER, bundleOf(PEER));
  await harness.set(objectOf(PEER, { labels: { tier: 'a' } }));
  await harness.set(objectOf(PEER, { labels: { tier: 'b' } }));
  assert.equal(harness.asked.length, 1);
  const [stored] = readFederatedBundles(harness.documents.text ?? '').values();
  assert.deepEqual({ ...stored?.labels }, { tier: 'b' });
});

test('FE-32: an object that goes takes its bundle with it, also while it is fetched', async () => {
  const late = Promise.withResolvers<Bundle>();
  harness.answers.set('a.test', bundleOf('a.test'));
  harness.answers.set('b.test', async () => await late.promise);
  await harness.set(objectOf('a.test'), objectOf('b.test'));
  assert.ok(harness.served('a.test') !== undefined);
  await harness.set();
  late.resolve(bundleOf('b.test'));
  await harness.rest();
  assert.equal(readFederatedBundles(harness.documents.text ?? '').size, 0);
  await harness.pass(30 * MINUTE);
  assert.equal(harness.asked.length, 2);
});

test('FE-32: what is left over from before a start goes when nobody declares it', async () => {
  harness.answers.set(PEER, bundleOf(PEER));
  await harness.set(objectOf(PEER));
  await harness.stop();
  const again = new FederationHarness(harness.documents, harness.own).start();
  await again.rest();
  // Nothing was seen yet: absence says nothing.
  assert.equal(readFederatedBundles(harness.documents.text ?? '').size, 1);
  await again.set();
  assert.equal(readFederatedBundles(harness.documents.text ?? '').size, 0);
  await again.stop();
});

test('an object that cannot be read any more keeps what it has, and says so', async () => {
  harness.answers.set(PEER, bundleOf(PEER, { hint: 60 }));
  await harness.set(objectOf(PEER));
  await harness.set(objectOf(PEER, { url: 'http://plain.test/' }));
  await harness.pass(10 * MINUTE);
  assert.equal(harness.asked.length, 1);
  assert.ok(harness.served(PEER) !== undefined);
  assert.deepEqual(harness.status(PEER).reasons, ['Ready Invalid']);
});

test('D7: when the older object goes the younger one takes over', async () => {
  harness.answers.set(PEER, bundleOf(PEER));
  const older = objectOf(PEER, { name: 'older', uid: '1' });
  const created = '2026-02-01T00:00:00Z';
  const younger = objectOf(PEER, { name: 'younger', uid: '2', created, url: 'https://y.test/' });
  await harness.set(older, younger);
  assert.deepEqual(harness.status('younger').reasons, ['Ready Masked']);
  await harness.set(younger);
  assert.deepEqual(
    harness.asked.map(({ url }) => url),
    [`https://${PEER}/bundle`, 'https://y.test/'],
  );
  assert.deepEqual(harness.status('younger').reasons, ['Ready Served', 'Refreshed Fetched']);
});

test('D9: the status says what is served, since when, and until when', async () => {
  harness.answers.set(PEER, bundleOf(PEER, { sequence: 12, hint: 60 }));
  await harness.set(objectOf(PEER));
  const { lastRefresh, nextRefresh, sequence, x509Authorities, jwtAuthorities } =
    harness.status(PEER);
  assert.deepEqual(
    { lastRefresh, nextRefresh, sequence, x509Authorities, jwtAuthorities },
    {
      lastRefresh: '2026-01-01T00:00:00Z',
      nextRefresh: '2026-01-01T00:01:00Z',
      sequence: 12,
      x509Authorities: 1,
      jwtAuthorities: 1,
    },
  );
});
