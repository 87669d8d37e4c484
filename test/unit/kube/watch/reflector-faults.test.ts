// What a reflector survives of an API server, without losing or inventing anything.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { failure } from '../../../fakes/fake-api-server.ts';
import { fill, isList, isWatch, kube, lists, useKube, watches } from './reflector-fixtures.ts';

useKube();

test('F-14: a silent watch is ended, and a new set is read before the view is too old', async () => {
  fill('a');
  const view = kube.reflect();
  await kube.until(() => view.complete > 0 && kube.api.openWatches === 1);
  const quietSince = kube.clock.now();
  kube.api.silent = true;
  fill('b');
  await kube.until(() => view.names === 'n/a n/b', 1000);
  const took = kube.clock.now() - quietSince;
  assert.ok(took >= 75_000 && took < 90_000, `${took} ms`);
});

test('a kind of which the API server has nothing to say is never too old', async () => {
  const view = kube.reflect();
  await kube.until(() => view.complete === 1);
  kube.api.silent = true;
  const end = kube.clock.now() + 900_000;
  let oldest = 0;
  await kube.until(() => {
    oldest = Math.max(oldest, kube.clock.now() - (view.reflector?.progressAt ?? 0));
    return kube.clock.now() >= end;
  }, 1000);
  assert.ok(oldest < 90_000, `${oldest} ms`);
  assert.ok(kube.api.requests.length < 30, `${kube.api.requests.length} requests`);
});

test('an API server that accepts connections and says nothing is not asked in a loop', async () => {
  kube.api.faults.push({ on: () => true, act: 'stall' });
  kube.reflect();
  const end = kube.clock.now() + 600_000;
  await kube.until(() => kube.clock.now() >= end, 1000);
  assert.ok(kube.api.requests.length < 20, `${kube.api.requests.length} requests`);
});

test('nothing is deleted by a list that fails, on whichever page', async () => {
  kube.api.watchListEnabled = false;
  fill('a', 'b', 'c');
  const view = kube.reflect({ pageSize: 1 });
  await kube.until(() => view.complete > 0 && kube.api.openWatches === 1);
  const failures = ['drop', { status: 500 }, { status: 403 }, { status: 200, raw: '{"items":7}' }];
  for (const act of failures as ('drop' | { status: number })[]) {
    for (const page of [0, 1, 2]) {
      let seen = 0;
      const before = view.complete;
      kube.api.faults.push({ on: (r) => isList(r) && seen++ === page, act, times: 1 });
      kube.api.compact();
      kube.api.endWatches('end');
      await kube.until(() => view.complete > before, 5000);
      assert.equal(seen, page + 1);
      kube.api.faults.length = 0;
    }
  }
  assert.deepEqual(
    view.batches.flatMap(({ changes }) => changes).filter(({ object }) => object === undefined),
    [],
  );
});

test('a watch list that breaks off before its end delivers nothing; a list takes its place', async () => {
  fill('a');
  const event = JSON.stringify({
    type: 'ADDED',
    object: { metadata: { name: 'x', resourceVersion: '1' } },
  });
  kube.api.faults.push({ on: isWatch, act: { status: 200, raw: `${event}\n` }, times: 1 });
  const view = kube.reflect();
  await kube.until(() => view.complete === 1, 500);
  assert.equal(view.names, 'n/a');
  assert.equal(lists().length, 1);
});

test('a continue token that is gone starts the list again', async () => {
  kube.api.watchListEnabled = false;
  fill('a', 'b', 'c');
  let pages = 0;
  kube.api.faults.push({
    on: (request) => isList(request) && ++pages === 2,
    act: { status: 410, body: failure(410, 'Expired', 'continue') },
    times: 1,
  });
  const view = kube.reflect({ pageSize: 1 });
  await kube.until(() => view.complete === 1, 500);
  assert.equal(view.names, 'n/a n/b n/c');
});

test('F-13: Retry-After is waited out, and failures are spaced out more and more', async () => {
  fill('a');
  kube.api.faults.push({
    on: () => true,
    act: { status: 429, headers: { 'retry-after': '20' } },
    times: 1,
  });
  const started = kube.clock.now();
  const view = kube.reflect();
  await kube.until(() => kube.api.requests.length === 1);
  await kube.until(() => view.complete === 1, 500);
  assert.ok(kube.clock.now() - started >= 20_000);
});

test('F-13: an API server that only fails is asked a few times a minute', async () => {
  kube.api.faults.push({ on: () => true, act: { status: 500 } });
  kube.reflect();
  const end = kube.clock.now() + 300_000;
  await kube.until(() => kube.clock.now() >= end, 1000);
  assert.ok(kube.api.requests.length < 40, `${kube.api.requests.length} requests`);
});

for (const [what, act] of [
  ['without a word', { status: 200, raw: '' }],
  ['with 410', { status: 410, body: failure(410, 'Expired', 'too old') }],
] as const) {
  test(`watches that end at once, ${what}, are no tight loop`, async () => {
    fill('a');
    kube.api.watchListEnabled = false;
    kube.api.faults.push({
      on: (r) => isWatch(r) && r.query.get('sendInitialEvents') === null,
      act,
    });
    const view = kube.reflect();
    const end = kube.clock.now() + 120_000;
    await kube.until(() => kube.clock.now() >= end, 1000);
    assert.ok(kube.api.requests.length < 40, `${kube.api.requests.length} requests`);
    assert.equal(view.names, 'n/a');
  });
}

test('lines that are no events end the watch, and nothing is lost', async () => {
  fill('a');
  const view = kube.reflect();
  for (const line of ['nonsense\n', '{"type":"ADDED"}\n', '{"type":"X","object":{}}\n', '[]\n']) {
    await kube.until(() => view.complete > 0 && kube.api.openWatches === 1, 500);
    const before = watches().length;
    kube.api.sendRaw(line);
    await kube.until(() => watches().length > before, 500);
  }
  fill('b');
  await kube.until(() => view.names === 'n/a n/b', 500);
});
