// Bundles and restrictions on a Watch, and nodes that have seen newer ones.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { noFederation } from '../../../../src/issuer/issuer.ts';
import { RollbackAlarm } from '../../../../src/issuer/watch/rollback-alarm.ts';
import { parseTrustDomain } from '../../../../src/spiffe/spiffe-id.ts';
import { entry, NODE, pod, TRUST_DOMAIN } from '../fixtures.ts';
import { clock, current, open, options, pods, type Report, useWatches } from './watch-fixtures.ts';

useWatches();

test('new authorities and new restrictions send the bundles again', async () => {
  const watch = open();
  await watch.untilSynced();
  for (const session of options.sessions.all()) session.outbox.addBundles();
  assert.equal((await watch.next()).case, 'bundles');
  pods.restrictionVersion = 7n;
  pods.set(pod());
  const bundles = await watch.next();
  assert.ok(bundles.case === 'bundles');
  assert.equal(bundles.value.restrictionVersion, 7n);
  assert.equal((await watch.next()).case, 'podIdentities');
  watch.stop();
});

test('a node that has seen newer restrictions than the view knows is sent away, any other is not', async () => {
  const ahead = (restrictionVersion: bigint) =>
    open([{ case: 'hello', value: { restrictionVersion } } as Report]);
  pods.restrictionVersion = 7n;
  await assert.rejects(ahead(8n).next(), { code: 'unavailable', reason: 'ViewBehind' });
  // No restriction has come since the seventh, and the view would know of one up to the ninth.
  Object.assign(options, { pods: Object.assign(pods, { restrictionsKnownTo: 9n }) });
  const watch = ahead(9n);
  await watch.untilSynced();
  watch.stop();
  await assert.rejects(ahead(10n).next(), { code: 'unavailable', reason: 'ViewBehind' });
});

test('bundles of other trust domains travel apart from ours', async () => {
  const trustDomain = parseTrustDomain('example.net');
  const { bundle } = current;
  pods.set(pod({ entries: [entry({ federatesWith: [trustDomain] })] }));
  Object.assign(options, {
    federation: {
      ...noFederation,
      federatedTrustDomains: () => [{ bundle: { ...bundle, trustDomain }, labels: {} }],
    },
  });
  const watch = open();
  const message = await watch.next();
  assert.ok(message.case === 'bundles');
  assert.equal(message.value.own?.trustDomain, TRUST_DOMAIN);
  assert.deepEqual(
    message.value.federated?.map((other) => other.trustDomain),
    ['example.net'],
  );
  const jwks: unknown = JSON.parse(Buffer.from(message.value.own?.jwtAuthorities ?? '').toString());
  const { keys } = jwks as { keys: { use: string }[] };
  assert.deepEqual(
    keys.map(({ use }) => use),
    ['jwt-svid'],
  );
  watch.stop();
});

test('TB-03: before a node is taken to be ahead, the store is asked once more', async () => {
  let known = 5;
  Object.assign(options, {
    rollback: new RollbackAlarm({ clock, sequence: () => known, onRaise: () => {} }),
    refreshAuthorities: async () => {
      known = 6;
    },
  });
  const seen = (bundleSequence: bigint): Report => ({ case: 'hello', value: { bundleSequence } });
  const watch = open([seen(6n)]);
  await watch.untilSynced();
  watch.stop();
  await assert.rejects(open([seen(7n)]).next(), { reason: 'StateRolledBack' });
  assert.ok(options.rollback.isAhead(NODE));
});
