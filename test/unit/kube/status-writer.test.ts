import assert from 'node:assert/strict';
import { afterEach, beforeEach, test } from 'node:test';
import { type StatusTarget, StatusWriter } from '../../../src/kube/status-writer.ts';
import { failure } from '../../fakes/fake-api-server.ts';
import { KubeHarness } from './kube-harness.ts';

const IDS = '/apis/spire.spiffe.io/v1alpha1/clusterspiffeids';
let kube: KubeHarness;
let writer: StatusWriter;
let running: Promise<void>;
let foreign: string[];
let target: StatusTarget;
let isCurrent: boolean;

beforeEach(async () => {
  kube = await KubeHarness.start();
  foreign = [];
  isCurrent = true;
  writer = new StatusWriter({
    client: kube.client,
    clock: kube.clock,
    log: kube.log,
    fieldManager: 'signet-controller',
    isCurrent: () => isCurrent,
    onForeign: ({ name }) => foreign.push(name),
  });
  running = writer.run(kube.signal);
  const { metadata } = kube.api.set(IDS, { metadata: { name: 'a' }, spec: {} });
  target = {
    apiVersion: 'spire.spiffe.io/v1alpha1',
    kind: 'ClusterSPIFFEID',
    name: 'a',
    uid: metadata.uid ?? '',
    path: `${IDS}/a`,
  };
});
afterEach(async () => {
  await kube.stop();
  await running;
});

const writes = () => kube.api.requestsOf('PATCH', `${IDS}/a/status`);
const stored = () => {
  const object = kube.api.get(IDS, 'a') ?? assert.fail();
  return {
    status: (object['status'] ?? {}) as Record<string, number>,
    version: BigInt(object.metadata.resourceVersion ?? '0'),
  };
};
async function minutes(n: number): Promise<void> {
  const end = kube.clock.now() + n * 60_000;
  await kube.until(() => kube.clock.now() >= end, 1000);
}

test('a status is applied, as ours, for this object alone', async () => {
  writer.set(target, { stats: { b: 1, a: 2 } });
  await kube.until(() => writes().length === 1);
  const [{ query, contentType, body }] = writes() as [ReturnType<typeof writes>[number]];
  assert.equal(contentType, 'application/apply-patch+yaml');
  assert.equal(query.get('fieldManager'), 'signet-controller');
  assert.equal(query.get('force'), 'false');
  assert.deepEqual(body?.['metadata'], { name: 'a', uid: target.uid });
  assert.equal(JSON.stringify(body?.['status']), '{"stats":{"a":2,"b":1}}');
  await kube.until(() => 'stats' in stored().status);
});

test('T-57: what says nothing new is not written, in whatever order it comes', async () => {
  writer.set(target, { stats: { b: 1, a: 2 } });
  await kube.until(() => writes().length === 1);
  for (let i = 0; i < 20; i += 1) writer.set(target, { stats: { a: 2, b: 1 } });
  await minutes(2);
  assert.equal(writes().length, 1);
});

test('what is stored already is not written after a restart, what differs is', async () => {
  kube.api.set(IDS, {
    metadata: { name: 'a' },
    status: { stats: { a: 1 }, theirs: true },
  });
  writer.set(target, { stats: { a: 1 } }, stored());
  await minutes(1);
  assert.equal(writes().length, 0);
  writer.set(target, { stats: { a: 3 } }, stored());
  await kube.until(() => writes().length === 1);
});

test('T-57: an object whose status changes all the time is written once in 10 s, at last with the newest', async () => {
  const end = kube.clock.now() + 60_000;
  let n = 0;
  await kube.until(() => {
    writer.set(target, { n: (n += 1) });
    return kube.clock.now() >= end;
  }, 500);
  assert.ok(writes().length >= 5 && writes().length <= 7, `${writes().length} writes`);
  await kube.until(() => stored().status['n'] === n, 1000);
});

test('what somebody else has overwritten is written again, even at the same moment', async () => {
  writer.set(target, { n: 1 }, stored());
  // The answer to our write is still on its way.
  await kube.until(() => stored().status['n'] === 1);
  kube.api.set(IDS, { metadata: { name: 'a' }, status: { n: 9 } });
  writer.set(target, { n: 1 }, stored());
  await kube.until(() => stored().status['n'] === 1, 1000);
  kube.api.set(IDS, { metadata: { name: 'a' }, status: { n: 8 } });
  writer.set(target, { n: 1 }, stored());
  await kube.until(() => stored().status['n'] === 1, 1000);
});

test('a watch that is behind our own write does not make it come again', async () => {
  const old = stored();
  writer.set(target, { n: 1 }, old);
  await kube.until(() => writes().length === 1);
  await kube.until(() => stored().status['n'] === 1);
  writer.set(target, { n: 1 }, old);
  await minutes(1);
  assert.equal(writes().length, 1);
});

test('failures are tried again, with ever longer breaks, and Retry-After is obeyed', async () => {
  kube.api.faults.push({ on: ({ method }) => method === 'PATCH', act: { status: 500 } });
  writer.set(target, { n: 1 });
  await minutes(10);
  assert.ok(writes().length >= 3 && writes().length < 12, `${writes().length} writes`);
  kube.api.faults[0] = {
    on: ({ method }) => method === 'PATCH',
    act: { status: 429, headers: { 'retry-after': '60' } },
  };
  writer.set(target, { n: 2 });
  const before = writes().length;
  await minutes(3);
  assert.ok(writes().length - before <= 5, `${writes().length - before} writes`);
  kube.api.faults.length = 0;
  await kube.until(() => stored().status['n'] === 2, 1000);
});

test('fields that another manager owns are left to it, and it is said', async () => {
  const details = { causes: [{ reason: 'FieldManagerConflict', field: '.status.stats' }] };
  const body = { ...failure(409, 'Conflict', 'conflict with "scm"'), details };
  kube.api.faults.push({ on: ({ method }) => method === 'PATCH', act: { status: 409, body } });
  writer.set(target, { n: 1 });
  await kube.until(() => foreign.length === 1);
  await minutes(2);
  assert.deepEqual([foreign.length, writes().length], [1, 1]);
});

for (const status of [409, 422]) {
  test(`a refusal with ${status} is not repeated until there is something new to say`, async () => {
    kube.api.faults.push({ on: ({ method }) => method === 'PATCH', act: { status } });
    writer.set(target, { n: 1 });
    await minutes(2);
    assert.deepEqual([writes().length, foreign.length], [1, 0]);
    kube.api.faults.length = 0;
    writer.set(target, { n: 2 });
    await kube.until(() => stored().status['n'] === 2, 1000);
  });
}

test('an object that is gone is left alone, its successor is written anew', async () => {
  kube.api.delete(IDS, 'a');
  writer.set(target, { n: 1 });
  await kube.until(() => writes().length === 1);
  await minutes(2);
  assert.equal(writes().length, 1);
  const { metadata } = kube.api.set(IDS, { metadata: { name: 'a' } });
  writer.set(target, { n: 1 });
  await kube.until(() => writes().length === 2, 1000);
  assert.deepEqual(stored().status, {});
  writer.set({ ...target, uid: metadata.uid ?? '' }, { n: 1 });
  await kube.until(() => stored().status['n'] === 1, 1000);
});

test('what was to be said of an object that is gone is not said of the next one of its name', async () => {
  writer.set(target, { stats: { a: 1 } });
  await kube.until(() => writes().length === 1);
  writer.set(target, { stats: { a: 2 } });
  isCurrent = false;
  await minutes(2);
  assert.equal(writes().length, 1);
  isCurrent = true;
  writer.set(target, { stats: { a: 3 } });
  await kube.until(() => writes().length === 2);
});
