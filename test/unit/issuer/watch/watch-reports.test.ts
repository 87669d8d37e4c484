// What a node says on its Watch, and how much of it is believed.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { settle } from '../../../fakes/fake-clock.ts';
import { pod } from '../fixtures.ts';
import { clock, HELLO, MINUTE, open, options, pods, useWatches } from './watch-fixtures.ts';

useWatches();

test('serials held are believed for pods of this node only', async () => {
  pods.set(pod({ uid: 'elsewhere', node: 'node-2' }));
  const held = (podUid: string) => ({
    podUid,
    entryId: 'policy-uid',
    serial: Uint8Array.of(1, 2),
    notAfter: BigInt(Math.floor(clock.now() / 1000) + 60),
  });
  const watch = open([
    { case: 'hello', value: { held: [held('pod-uid'), held('elsewhere'), held('unknown')] } },
  ]);
  await watch.untilSynced();
  const found = options.inventory.heldBy(() => true, clock.now());
  assert.deepEqual(
    found.map(({ podUid, serial }) => [podUid, serial]),
    [['pod-uid', '0102']],
  );
  watch.stop();
});

test('published and unpublished are believed for pods of this node only', async () => {
  pods.set(pod({ uid: 'elsewhere', node: 'node-2' }));
  const watch = open([
    HELLO,
    { case: 'published', value: { podUid: 'elsewhere' } },
    { case: 'published', value: { podUid: 'pod-uid' } },
  ]);
  await watch.untilSynced();
  await settle();
  assert.equal(options.published.isPublished('elsewhere'), false);
  assert.equal(options.published.isPublished('pod-uid'), true);
  watch.stop();
});

test('what a hello says is held is kept only when it can be true', async () => {
  const held = (change: object) => {
    return {
      podUid: 'pod-uid',
      entryId: 'policy-uid',
      serial: Uint8Array.of(1),
      notAfter: 1n << 40n,
      ...change,
    };
  };
  const reports = [
    held({}),
    held({ podUid: 'unknown', serial: Uint8Array.of(2) }),
    held({ entryId: 'x'.repeat(129), serial: Uint8Array.of(3) }),
    held({ serial: new Uint8Array(21) }),
    held({ serial: Uint8Array.of(4), notAfter: 1n }),
  ];
  const watch = open([{ case: 'hello', value: { held: reports } }]);
  await watch.next();
  const kept = options.inventory.heldBy(() => true, clock.now());
  assert.deepEqual(
    kept.map(({ serial, notAfter }) => [serial, notAfter]),
    [['01', clock.now() + 24 * 60 * MINUTE]],
  );
  watch.stop();
});

test('of pods that a node found traces of, those are said to be gone that certainly are', async () => {
  pods.set(pod({ uid: 'elsewhere', node: 'node-2' }));
  const known = pods.isGone.bind(pods);
  pods.isGone = (uid) => uid !== 'uncertain' && known(uid);
  const podUids = ['pod-uid', 'elsewhere', 'uncertain', 'x'.repeat(1000), 'gone'];
  const watch = open([HELLO, { case: 'foundTraces', value: { podUids } }]);
  await watch.untilSynced();
  await settle();
  pods.set(pod({ uid: 'second' }));
  const first = await watch.next();
  assert.equal(first.case === 'podGone' && first.value.podUid, 'gone');
  assert.equal((await watch.next()).case, 'podIdentities', 'nothing is said of the others');
  watch.stop();
});
