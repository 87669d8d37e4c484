// Lists, watches and relists: what a reflector delivers.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { failure } from '../../../fakes/fake-api-server.ts';
import { PODS, pod } from '../kube-harness.ts';
import { fill, kube, lists, useKube, watches } from './reflector-fixtures.ts';

useKube();

for (const watchList of [true, false]) {
  const how = watchList ? 'a watch list' : 'a list';
  test(`${how} gives the complete set in one batch, then each change`, async () => {
    kube.api.watchListEnabled = watchList;
    fill('a', 'b', 'c');
    const view = kube.reflect();
    await kube.until(() => view.complete > 0 && kube.api.openWatches === 1);
    assert.equal(view.batches.length, 1);
    assert.equal(view.names, 'n/a n/b n/c');
    fill('d');
    kube.api.set(PODS, pod('a', { spec: { nodeName: 'x' } }));
    kube.api.delete(PODS, 'b', 'n');
    await kube.until(() => view.batches.length === 4);
    assert.equal(view.names, 'n/a n/c n/d');
    assert.deepEqual(view.objects.get('n/a')?.['spec'], { nodeName: 'x' });
    assert.equal(view.batches.at(-1)?.version, BigInt(kube.api.version));
    assert.equal(lists().length, watchList ? 0 : 1);
  });
}

test('the watch list is consistent; where it is refused, pages of 500 without a version follow', async () => {
  kube.api.watchListEnabled = false;
  for (let i = 0; i < 1200; i += 1) fill(`p${i}`);
  const view = kube.reflect();
  await kube.until(() => view.complete === 1);
  assert.equal(view.objects.size, 1200);
  const [first] = watches();
  assert.equal(first?.query.get('sendInitialEvents'), 'true');
  assert.equal(first?.query.get('resourceVersionMatch'), 'NotOlderThan');
  assert.equal(first?.query.get('resourceVersion'), '');
  assert.equal(lists().length, 3);
  for (const { query } of lists()) {
    assert.equal(query.get('limit'), '500');
    assert.equal(query.get('resourceVersion'), null);
  }
});

test('F-14: a watch that ends is resumed where it was, without a list', async () => {
  fill('a');
  const view = kube.reflect();
  await kube.until(() => view.complete > 0 && kube.api.openWatches === 1);
  fill('b');
  await kube.until(() => view.names === 'n/a n/b');
  kube.api.endWatches('end');
  fill('c');
  await kube.until(() => view.names === 'n/a n/b n/c', 500);
  kube.api.endWatches('drop');
  fill('d');
  await kube.until(() => view.names === 'n/a n/b n/c n/d', 500);
  assert.equal(view.complete, 1);
});

test('a bookmark moves the place to resume from', async () => {
  fill('a');
  const view = kube.reflect();
  await kube.until(() => view.complete > 0 && kube.api.openWatches === 1);
  await kube.clock.advance(50_000);
  kube.api.bookmark();
  await kube.until(() => view.reflector?.progressAt === kube.clock.now());
  const { version } = kube.api;
  kube.api.endWatches('end');
  await kube.until(() => watches().length === 2, 500);
  assert.equal(watches()[1]?.query.get('resourceVersion'), String(version));
  assert.equal(watches()[1]?.query.get('allowWatchBookmarks'), 'true');
  assert.equal(view.batches.length, 1);
});

for (const how of ['answer', 'event'] as const) {
  test(`F-14: 410 as an ${how} brings a new set, and what went in the gap is noticed`, async () => {
    fill('a', 'b', 'c');
    const view = kube.reflect();
    await kube.until(() => view.complete > 0 && kube.api.openWatches === 1);
    kube.api.silent = true;
    kube.api.delete(PODS, 'b', 'n');
    kube.api.set(PODS, pod('c', { spec: { nodeName: 'x' } }));
    fill('d');
    kube.api.compact();
    kube.api.silent = false;
    if (how === 'event') kube.api.sendError(failure(410, 'Expired', 'too old'));
    else kube.api.endWatches('end');
    await kube.until(() => view.complete === 2, 500);
    assert.equal(view.names, 'n/a n/c n/d');
    const changed = view.batches.at(-1)?.changes.map(({ name }) => name);
    assert.deepEqual(changed?.toSorted(), ['b', 'c', 'd']);
  });
}

test('a successor of the same name comes as its new self', async () => {
  const { metadata } = kube.api.set(PODS, pod('a'));
  const view = kube.reflect();
  await kube.until(() => view.complete > 0 && kube.api.openWatches === 1);
  kube.api.silent = true;
  kube.api.delete(PODS, 'a', 'n');
  fill('a');
  kube.api.compact();
  kube.api.silent = false;
  kube.api.endWatches('end');
  await kube.until(() => view.complete === 2, 500);
  const now = view.objects.get('n/a')?.['metadata'] as { uid: string };
  assert.notEqual(now.uid, metadata.uid);
});

test('a relist delivers every object whole, by the new projection, and the watch keeps to it', async () => {
  let keeps = 'metadata';
  fill('a', 'b');
  const view = kube.reflect({
    projection: () => {
      const member = keeps;
      return (object) => ({ metadata: object['metadata'], [member]: object[member] });
    },
  });
  kube.api.set(PODS, pod('c', { spec: { nodeName: 'x' } }));
  await kube.until(() => view.complete > 0 && kube.api.openWatches === 1);
  assert.equal(view.objects.get('n/c')?.['spec'], undefined);
  keeps = 'spec';
  view.reflector?.relist();
  await kube.until(() => view.complete === 2);
  assert.equal(view.batches.at(-1)?.changes.length, 3);
  assert.deepEqual(view.objects.get('n/c')?.['spec'], { nodeName: 'x' });
  kube.api.set(PODS, pod('d', { spec: { nodeName: 'y' } }));
  await kube.until(() => view.objects.get('n/d')?.['spec'] !== undefined);
});

test('a relist that is asked for while the API server is down is not forgotten', async () => {
  fill('a');
  const view = kube.reflect();
  await kube.until(() => view.complete > 0 && kube.api.openWatches === 1);
  kube.api.faults.push({ on: () => true, act: 'drop' });
  kube.api.endWatches('drop');
  const before = kube.api.requests.length;
  await kube.until(() => kube.api.requests.length > before + 1, 500);
  view.reflector?.relist();
  kube.api.faults.length = 0;
  await kube.until(() => view.complete === 2, 500);
  assert.equal(view.batches.at(-1)?.changes.length, 1);
});

test('what fails to take a change in ends the reflector', async () => {
  fill('a');
  const view = kube.reflect({
    deliver: () => {
      throw new Error('no room');
    },
  });
  await assert.rejects(view.done, /no room/);
});

test('progress is the last word of the API server, not the last connection', async () => {
  fill('a');
  const view = kube.reflect({ idleMs: 1_000_000 });
  await kube.until(() => view.complete > 0 && kube.api.openWatches === 1);
  const synced = view.reflector?.progressAt;
  await kube.clock.advance(60_000);
  kube.api.silent = true;
  kube.api.endWatches('end');
  await kube.until(() => watches().length === 2, 100);
  assert.equal(view.reflector?.progressAt, synced);
});
