// Whether the issuer's view is good enough to sign by while the API server goes away and comes back.

import assert from 'node:assert/strict';
import { afterEach, beforeEach, test } from 'node:test';
import { ClusterView, COLLECTIONS } from '../../../../src/cluster-view/cluster-view.ts';
import { IdentityView } from '../../../../src/identity/identity-view.ts';
import { DEFAULT_IDENTITY_SETTINGS } from '../../../../src/identity/settings.ts';
import { ClusterPodSource } from '../../../../src/issuer/cluster/cluster-pod-source.ts';
import { IdentityPodSource } from '../../../../src/issuer/identity-pod-source.ts';
import { KubeHarness } from '../../kube/kube-harness.ts';
import { TRUST_DOMAIN } from '../fixtures.ts';

const SECOND = 1000;
const POLL = { method: 'GET', path: '/api/v1/namespaces/n' } as const;
let kube: KubeHarness;
let pods: ClusterPodSource;
let port: number;
const stop = { signal: new AbortController(), done: Promise.resolve() };

beforeEach(async () => {
  kube = await KubeHarness.start();
  ({ port } = kube.api);
  kube.api.set(COLLECTIONS.Namespace, { metadata: { name: 'n' } });
  const settings = { ...DEFAULT_IDENTITY_SETTINGS, trustDomain: TRUST_DOMAIN };
  const driverName = 'csi.spiffe.io';
  const { clock, client, log } = kube;
  const source = new IdentityPodSource({
    view: new IdentityView(settings),
    driverName,
    clock,
    onBadObject: () => {},
  });
  const apply = source.apply.bind(source);
  const view = new ClusterView({ client, settings, driverName, apply, clock, log });
  const { answers } = client;
  const now = () => clock.now();
  pods = new ClusterPodSource({ source, view, now, answers, maxStalenessMs: 900 * SECOND });
  stop.signal = new AbortController();
  stop.done = view.run(stop.signal.signal);
  await kube.until(() => view.isReady && kube.api.openWatches >= 5);
});
afterEach(async () => {
  stop.signal.abort();
  await stop.done;
  await kube.stop();
});

/** Asks every six seconds; gives the seconds at which the view was not fresh. */
async function staleIn(seconds: number): Promise<readonly number[]> {
  const stale: number[] = [];
  for (let second = 6; second <= seconds; second += 6) {
    await kube.clock.advance(6 * SECOND);
    await kube.client.send(POLL).catch(() => {});
    if (!pods.isFresh()) stale.push(second);
  }
  return stale;
}

test('F-12: a view that was a minute old when the API server went is good throughout, and afterwards', async () => {
  // Nothing happens, and the next bookmark would have come.
  assert.deepEqual(await staleIn(54), []);
  await kube.api.stop();
  assert.deepEqual(await staleIn(120), []);
  await kube.api.listen(port);
  assert.deepEqual(await staleIn(60), []);
  await kube.until(() => kube.api.openWatches >= 5, SECOND);
});

test('F-12: an outage is no excuse for a watch that does not come back', async () => {
  await kube.api.stop();
  assert.deepEqual(await staleIn(120), []);
  const restrictions = COLLECTIONS.IdentityRestriction;
  kube.api.faults.push({ on: ({ path }) => path === restrictions, act: { status: 503 } });
  await kube.api.listen(port);
  const stale = await staleIn(120);
  assert.ok((stale[0] ?? 0) >= 75 && (stale[0] ?? 0) <= 96, String(stale));
  assert.equal(stale.at(-1), 120);
  kube.api.faults.length = 0;
  await kube.until(() => pods.isFresh(), SECOND);
});

test('F-12: a watch that had stalled before an outage gains nothing by it', async () => {
  const restrictions = COLLECTIONS.IdentityRestriction;
  kube.api.faults.push({ on: ({ path }) => path === restrictions, act: { status: 503 } });
  kube.api.endWatches('end');
  const before = await staleIn(120);
  assert.ok(before.length > 0);
  await kube.api.stop();
  assert.equal((await staleIn(60)).length, 10);
  await kube.api.listen(port);
  assert.equal((await staleIn(30)).length, 5);
});
