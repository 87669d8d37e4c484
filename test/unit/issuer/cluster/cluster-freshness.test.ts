// How fresh the view is, and who is served by one that is not.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { COLLECTIONS } from '../../../../src/cluster-view/cluster-view.ts';
import {
  addPod,
  addPolicy,
  idOf,
  kube,
  MINUTE,
  pods,
  start,
  useView,
  view,
} from './view-fixtures.ts';

useView();

test('nothing is fresh before every kind was seen', async () => {
  addPod('p');
  kube.api.faults.push({
    on: ({ path }) => path === COLLECTIONS.IdentityRestriction,
    act: { status: 404 },
  });
  start();
  await kube.until(() => idOf('p') !== 'unknown');
  const end = kube.clock.now() + 5000;
  await kube.until(() => kube.clock.now() >= end, 500);
  assert.deepEqual([view.isReady, pods.isFresh(), pods.isGone('other')], [false, false, false]);
  kube.api.faults.length = 0;
  await kube.until(() => pods.isFresh(), 500);
});

test('watches that stall while the API server answers make the view stale', async () => {
  addPod('p');
  start();
  await kube.until(() => view.isReady && kube.api.openWatches >= 4);
  kube.api.silent = true;
  const collections: readonly string[] = Object.values(COLLECTIONS);
  kube.api.faults.push({ on: ({ path }) => collections.includes(path), act: 'stall' });
  await kube.clock.advance(89_000);
  await kube.client.send({ method: 'GET', path: '/api/v1/namespaces/n' });
  assert.deepEqual([pods.isFresh(), pods.isGone('other')], [true, true]);
  await kube.clock.advance(2000);
  await kube.client.send({ method: 'GET', path: '/api/v1/namespaces/n' });
  assert.deepEqual([pods.isFresh(), pods.isGone('other')], [false, false]);
});

test('the slowest of the watches is what counts', async () => {
  addPod('p');
  start();
  await kube.until(() => view.isReady && kube.api.openWatches >= 4);
  const restrictions = COLLECTIONS.IdentityRestriction;
  kube.api.faults.push({ on: ({ path }) => path === restrictions, act: { status: 403 } });
  kube.api.endWatches('end');
  const from = kube.clock.now();
  await kube.until(() => {
    kube.api.bookmark();
    return kube.clock.now() - from >= 95_000;
  }, 1000);
  assert.equal(pods.isFresh(), false);
  kube.api.faults.length = 0;
  await kube.until(() => pods.isFresh(), 1000);
});

test('F-12: without an API server known pods stay served for so long, and come back after it', async () => {
  addPod('p');
  addPolicy('one', '{{ .PodMeta.Name }}');
  start();
  await kube.until(() => view.isReady);
  const { port } = kube.api;
  await kube.api.stop();
  const from = kube.clock.now();
  await kube.until(() => kube.clock.now() - from >= 14 * MINUTE, MINUTE);
  assert.equal(pods.isFresh(), true);
  assert.equal(idOf('p'), 'spiffe://example.org/p');
  await kube.until(() => kube.clock.now() - from >= 15 * MINUTE, MINUTE);
  assert.equal(pods.isFresh(), false);
  assert.equal(idOf('p'), 'spiffe://example.org/p');
  await kube.api.listen(port);
  await kube.until(() => kube.api.openWatches >= 4, 500);
  kube.api.bookmark();
  await kube.until(() => pods.isFresh(), 500);
});

test('restrictions have the version of the newest one, and are known up to the last word', async () => {
  addPod('p');
  addPolicy('one', '{{ .PodMeta.Name }}');
  start();
  await kube.until(() => view.isReady);
  kube.api.set(COLLECTIONS.IdentityRestriction, {
    metadata: { name: 'r' },
    spec: { match: { namespace: 'n' }, suspend: true },
  });
  await kube.until(() => pods.restrictionVersion > 0n);
  assert.equal(pods.pod('p')?.refusal, 'Suspended');
  const before = pods.restrictionVersion;
  assert.equal(before, BigInt(kube.api.version));
  kube.api.bookmark();
  await kube.until(() => pods.restrictionsKnownTo > before);
  assert.equal(pods.restrictionVersion, before);
});
