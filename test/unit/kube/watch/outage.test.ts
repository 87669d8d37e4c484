// Watches of an API server that was away: how soon they are back, and that they know where they are.

import assert from 'node:assert/strict';
import { afterEach, beforeEach, test } from 'node:test';
import type { ApiRequest } from '../../../fakes/fake-api-server.ts';
import { KubeHarness, PODS, pod, type View } from '../kube-harness.ts';

/** The back-off at its longest. */
const LONGEST = { random: () => 1 };
let kube: KubeHarness;

beforeEach(async () => {
  kube = await KubeHarness.start();
});
afterEach(async () => {
  await kube.stop();
});

const isWatch = ({ query }: ApiRequest) => query.get('watch') === 'true';
const versions = () =>
  kube.api.requests.filter(isWatch).map(({ query }) => query.get('resourceVersion'));

async function following(options: object = {}): Promise<View> {
  kube.api.set(PODS, pod('a'));
  const view = kube.reflect({ ...LONGEST, ...options });
  await kube.until(() => view.complete > 0 && kube.api.openWatches === 1);
  return view;
}

/** Goes away, and comes back after that long with or without its history. */
async function outage(ms: number, history: 'kept' | 'lost'): Promise<void> {
  const { port } = kube.api;
  await kube.api.stop();
  const end = kube.clock.now() + ms;
  await kube.until(() => kube.clock.now() >= end, 2000);
  kube.api.set(PODS, pod('b'));
  if (history === 'lost') kube.api.compact();
  await kube.api.listen(port);
}

for (const history of ['kept', 'lost'] as const) {
  test(`F-12: after two minutes without an API server a watch is back in seconds, history ${history}`, async () => {
    const view = await following();
    await outage(120_000, history);
    const back = kube.clock.now();
    await kube.until(() => view.names === 'n/a n/b', 100);
    const took = kube.clock.now() - back;
    assert.ok(took <= 7000, `${took} ms`);
    assert.ok((view.reflector?.progressAt ?? 0) >= back);
  });

  test(`F-12: a short outage costs seconds at most, history ${history}`, async () => {
    const view = await following();
    await outage(20_000, history);
    const back = kube.clock.now();
    await kube.until(() => view.names === 'n/a n/b', 100);
    const took = kube.clock.now() - back;
    assert.ok(took <= 7000, `${took} ms`);
  });
}

test('F-13: an API server that is away is asked some times a minute, no more', async () => {
  await following({ random: () => 0 });
  kube.api.faults.push({ on: () => true, act: 'drop' });
  kube.api.endWatches('drop');
  const before = kube.api.requests.length;
  const end = kube.clock.now() + 120_000;
  await kube.until(() => kube.clock.now() >= end, 1000);
  const asked = kube.api.requests.length - before;
  assert.ok(asked > 10 && asked < 60, `${asked} requests`);
});

test('a watch that would go on from an old version reads a new set instead', async () => {
  const view = await following({ idleMs: 75_000 });
  await kube.clock.advance(50_000);
  const { port } = kube.api;
  await kube.api.stop();
  const end = kube.clock.now() + 40_000;
  await kube.until(() => kube.clock.now() >= end, 500);
  await kube.api.listen(port);
  const back = kube.clock.now();
  // No change and no bookmark: only a set says that nothing has happened.
  await kube.until(() => (view.reflector?.progressAt ?? 0) >= back, 100);
  assert.equal(view.complete, 2);
});

test('a watch that went on from an old version does not wait for its word as long as a new one', async () => {
  const view = await following({ idleMs: 75_000 });
  const synced = view.reflector?.progressAt ?? 0;
  await kube.clock.advance(59_000);
  kube.api.silent = true;
  kube.api.endWatches('end');
  await kube.until(() => versions().length === 2, 100);
  assert.notEqual(versions().at(-1), '');
  await kube.until(() => view.complete === 2, 500);
  const age = kube.clock.now() - synced;
  assert.ok(age >= 75_000 && age < 80_000, `${age} ms`);
});

test('a clock that was set back is no progress that lies ahead', async () => {
  const view = await following({ idleMs: 75_000 });
  kube.clock.jump(-600_000);
  kube.api.endWatches('end');
  await kube.until(() => view.complete === 2, 100);
  assert.ok((view.reflector?.progressAt ?? 0) <= kube.clock.now());
});
