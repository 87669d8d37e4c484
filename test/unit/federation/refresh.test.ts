// When bundles are fetched, and which of them are taken.

import assert from 'node:assert/strict';
import { afterEach, beforeEach, test } from 'node:test';
import { fetchError } from '../../../src/federation/fetch-failure.ts';
import { untilNextFetch } from '../../../src/federation/schedule.ts';
import { TestCa } from '../../fakes/test-ca.ts';
import { FederationHarness, MINUTE, SECOND } from './federation-harness.ts';
import { bundleOf, OWN, objectOf, PEER } from './fixtures.ts';

let harness: FederationHarness;
beforeEach(() => {
  harness = new FederationHarness().start();
});
afterEach(async () => await harness.stop());

test('FE-04: fetched at the interval of the hint, and every five minutes without one', async () => {
  harness.answers.set(PEER, bundleOf(PEER, { sequence: 1, hint: 60 }));
  harness.answers.set('quiet.test', bundleOf('quiet.test', { sequence: 1 }));
  await harness.set(objectOf(PEER), objectOf('quiet.test'));
  const count = (name: string) => harness.asked.filter((each) => each.trustDomain === name).length;
  assert.deepEqual([count(PEER), count('quiet.test')], [1, 1]);
  await harness.pass(59 * SECOND);
  assert.equal(count(PEER), 1);
  await harness.pass(SECOND);
  assert.equal(count(PEER), 2);
  await harness.pass(4 * MINUTE - SECOND);
  assert.deepEqual([count(PEER), count('quiet.test')], [5, 1]);
  await harness.pass(SECOND);
  assert.deepEqual([count(PEER), count('quiet.test')], [6, 2]);
});

test('FE-04: a hint is followed within bounds only, and jitter never makes a fetch late', () => {
  const bounds = { minMs: 30_000, maxMs: 86_400_000 };
  const wait = (refreshHintSeconds: number | undefined, random = 0) =>
    untilNextFetch({
      refreshHintSeconds,
      failures: 0,
      isFetched: true,
      bounds,
      random: () => random,
    });
  assert.equal(wait(undefined), 300_000);
  assert.equal(wait(60), 60_000);
  assert.equal(wait(0), 30_000);
  assert.equal(wait(1), 30_000);
  assert.equal(wait(Number.MAX_SAFE_INTEGER), 86_400_000);
  for (const random of [0, 0.3, 0.999]) {
    assert.ok(wait(60, random) <= 60_000 && wait(60, random) >= 54_000);
  }
});

test('FE-05: the newest bundle is kept; without a sequence, the last one that was fetched', async () => {
  await harness.set(objectOf(PEER));
  for (const sequence of [1, 2, 2, undefined, 5]) {
    const bundle = bundleOf(PEER, { hint: 60, ...(sequence === undefined ? {} : { sequence }) });
    harness.answers.set(PEER, bundle);
    await harness.pass(10 * MINUTE);
    assert.equal(harness.served(PEER)?.sequence, sequence);
    assert.deepEqual(harness.served(PEER)?.x509Authorities, bundle.x509Authorities);
  }
});

test('FE-35: a lower sequence is refused with an alarm, after a restart as well', async () => {
  const good = bundleOf(PEER, { sequence: 7, hint: 60 });
  harness.answers.set(PEER, good);
  await harness.set(objectOf(PEER));
  harness.answers.set(PEER, bundleOf(PEER, { sequence: 6, hint: 60 }));
  await harness.pass(MINUTE);
  assert.deepEqual(harness.served(PEER)?.x509Authorities, good.x509Authorities);
  assert.deepEqual(harness.status(PEER).reasons, ['Ready Served', 'Refreshed SequenceWentBack']);
  assert.deepEqual(harness.alarms, [`${PEER} SequenceWentBack`]);
  await harness.stop();
  const again = new FederationHarness(harness.documents, harness.own).start();
  again.answers.set(PEER, bundleOf(PEER, { sequence: 6 }));
  await again.set(objectOf(PEER));
  assert.equal(again.asked.length, 1);
  assert.equal(again.served(PEER)?.sequence, 7);
  assert.deepEqual(again.alarms, [`${PEER} SequenceWentBack`]);
  // A document without a sequence does not make the next rollback one that is not seen.
  again.answers.set(PEER, bundleOf(PEER));
  await again.pass(5 * MINUTE);
  assert.equal(again.served(PEER)?.sequence, undefined);
  again.answers.set(PEER, bundleOf(PEER, { sequence: 6 }));
  await again.pass(5 * MINUTE);
  assert.equal(again.served(PEER)?.sequence, undefined);
  assert.equal(again.alarms.length, 2);
  await again.stop();
});

test('FE-35: an operator resets it with the bundle of the object', async () => {
  harness.answers.set(PEER, bundleOf(PEER, { sequence: 700 }));
  await harness.set(objectOf(PEER));
  const ca = new TestCa(PEER);
  const older = bundleOf(PEER, { sequence: 3, ca });
  harness.answers.set(PEER, bundleOf(PEER, { sequence: 4, ca }));
  await harness.set(objectOf(PEER, { bootstrap: older }));
  assert.equal(harness.served(PEER)?.sequence, 4);
  assert.deepEqual(harness.status(PEER).reasons, ['Ready Served', 'Refreshed Fetched']);
});

test('FE-35: a sequence that nothing can be above is reset like any other, also to the same bundle', async () => {
  const ca = new TestCa(PEER);
  const object = objectOf(PEER, { bootstrap: bundleOf(PEER, { sequence: 3, ca }) });
  harness.answers.set(PEER, bundleOf(PEER, { sequence: Number.MAX_SAFE_INTEGER, hint: 60, ca }));
  await harness.set(object);
  harness.answers.set(PEER, bundleOf(PEER, { sequence: 4, hint: 60, ca }));
  await harness.pass(MINUTE);
  assert.deepEqual(harness.status(PEER).reasons, ['Ready Served', 'Refreshed SequenceWentBack']);
  await harness.set(objectOf(PEER));
  await harness.set(object);
  assert.equal(harness.served(PEER)?.sequence, 4);
});

test('FE-31: after a failure the next interval is waited for, and the last bundle stays', async () => {
  harness.answers.set(PEER, bundleOf(PEER, { sequence: 1, hint: 60 }));
  await harness.set(objectOf(PEER));
  harness.answers.set(PEER, fetchError('EndpointUnreachable', 'down'));
  await harness.pass(MINUTE);
  assert.equal(harness.asked.length, 2);
  await harness.pass(59 * SECOND);
  assert.equal(harness.asked.length, 2);
  await harness.pass(SECOND);
  assert.equal(harness.asked.length, 3);
  assert.equal(harness.served(PEER)?.sequence, 1);
  const { reasons, nextRefresh, lastRefresh } = harness.status(PEER);
  assert.deepEqual(reasons, ['Ready Served', 'Refreshed EndpointUnreachable']);
  assert.equal(lastRefresh, '2026-01-01T00:00:00Z');
  assert.equal(nextRefresh, '2026-01-01T00:03:00Z');
});

test('FE-31: where nothing is there to serve yet, it is tried sooner, less and less often', async () => {
  await harness.set(objectOf(PEER));
  await harness.pass(60 * MINUTE);
  const count = harness.asked.length;
  assert.ok(count >= 12 && count <= 40, String(count));
  assert.deepEqual(harness.status(PEER).reasons, [
    'Ready NoBundle',
    'Refreshed EndpointUnreachable',
  ]);
});

test('FE-06: bundles of two trust domains stay apart', async () => {
  const [a, b] = [bundleOf('a.test', { sequence: 1 }), bundleOf('b.test', { sequence: 1 })];
  harness.answers.set('a.test', a).set('b.test', b);
  await harness.set(objectOf('a.test'), objectOf('b.test'));
  assert.deepEqual(harness.served('a.test')?.x509Authorities, a.x509Authorities);
  assert.deepEqual(harness.served('b.test')?.x509Authorities, b.x509Authorities);
});

test('FE-06, TB-18: a bundle with a key of ours is refused whole', async () => {
  const ours = [new TestCa('c.test').certificate, ...harness.own.x509Authorities];
  harness.answers.set('c.test', bundleOf('c.test', { authorities: ours }));
  const jwt = { ...bundleOf('d.test'), jwtAuthorities: harness.own.jwtAuthorities };
  harness.answers.set('d.test', jwt);
  await harness.set(...['c.test', 'd.test'].map((name) => objectOf(name)));
  for (const name of ['c.test', 'd.test']) {
    assert.equal(harness.served(name), undefined, name);
    assert.deepEqual(harness.status(name).reasons, ['Ready NoBundle', 'Refreshed KeyOfAnother']);
  }
  assert.equal(harness.alarms.length, 2);
  // Declared by an operator it is no better: what names us as its own does not even parse.
  const declared = { ...bundleOf('d.test'), jwtAuthorities: harness.own.jwtAuthorities };
  await harness.set(objectOf('d.test', { bootstrap: declared }));
  assert.equal(harness.served('d.test'), undefined);
});

test('TB-08: a bundle without usable keys takes the place of one with keys', async () => {
  harness.answers.set(PEER, bundleOf(PEER, { sequence: 1, hint: 60 }));
  await harness.set(objectOf(PEER));
  const empty = { ...bundleOf(PEER, { sequence: 2, authorities: [] }), jwtAuthorities: new Map() };
  harness.answers.set(PEER, empty);
  await harness.pass(MINUTE);
  assert.equal(harness.served(PEER)?.x509Authorities.length, 0);
  assert.deepEqual(harness.status(PEER).reasons, ['Ready NoKeys', 'Refreshed Fetched']);
});

test('the last good bundle is served after a restart while the peer is away', async () => {
  const bundle = bundleOf(PEER, { sequence: 9 });
  harness.answers.set(PEER, bundle);
  await harness.set(objectOf(PEER));
  await harness.stop();
  const again = new FederationHarness(harness.documents, harness.own).start();
  await again.set(objectOf(PEER));
  await again.pass(10 * MINUTE);
  assert.deepEqual(again.served(PEER)?.x509Authorities, bundle.x509Authorities);
  await again.stop();
});

test('our own trust domain is reported and never fetched', async () => {
  await harness.set(objectOf(OWN));
  assert.deepEqual(harness.status(OWN).reasons, ['Ready OwnTrustDomain']);
  assert.equal(harness.asked.length, 0);
});
