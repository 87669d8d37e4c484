import assert from 'node:assert/strict';
import { afterEach, beforeEach, test } from 'node:test';
import type { ApiRequest } from '../../../fakes/fake-api-server.ts';
import { failure } from '../../../fakes/fake-api-server.ts';
import { KubeHarness, PODS, pod } from '../kube-harness.ts';

let kube: KubeHarness;

beforeEach(async () => {
  kube = await KubeHarness.start();
});
afterEach(async () => {
  await kube.stop();
});

const isWatch = ({ query }: ApiRequest) => query.get('watch') === 'true';
const isList = (request: ApiRequest) => request.path === PODS && !isWatch(request);
const lists = () => kube.api.requests.filter(isList);
const watches = () => kube.api.requests.filter(isWatch);

function fill(...names: readonly string[]): void {
  for (const name of names) kube.api.set(PODS, pod(name));
}

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
