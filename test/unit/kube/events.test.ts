import assert from 'node:assert/strict';
import { afterEach, beforeEach, test } from 'node:test';
import { EventRecorder, type EventSubject } from '../../../src/kube/events.ts';
import { KubeHarness } from './kube-harness.ts';

const EVENTS = '/api/v1/events';
let kube: KubeHarness;
let recorder: EventRecorder;
let running: Promise<void>;

beforeEach(async () => {
  kube = await KubeHarness.start();
  recorder = new EventRecorder({
    client: kube.client,
    clock: kube.clock,
    log: kube.log,
    component: 'signet-issuer',
    instance: 'issuer-0',
  });
  running = recorder.run(kube.signal);
});
afterEach(async () => {
  await kube.stop();
  await running;
});

function subject(name = 'web', namespace = 'n'): EventSubject {
  return { apiVersion: 'v1', kind: 'Pod', namespace, name, uid: `uid-${name}` };
}
const refused = (message = 'no policy') => ({
  type: 'Warning' as const,
  reason: 'NoPolicy',
  message,
});
const events = () => kube.api.all(EVENTS);
async function minutes(n: number): Promise<void> {
  const end = kube.clock.now() + n * 60_000;
  await kube.until(() => kube.clock.now() >= end, 1000);
}

test('an event says what, of what, and who says it', async () => {
  recorder.record(subject(), refused());
  await kube.until(() => events().length === 1);
  const { metadata, ...event } = events()[0] ?? assert.fail();
  assert.equal(metadata.namespace, 'n');
  assert.match(metadata.name, /^web\.[0-9a-f]{16}$/);
  assert.deepEqual(event, {
    apiVersion: 'v1',
    kind: 'Event',
    involvedObject: { apiVersion: 'v1', kind: 'Pod', namespace: 'n', name: 'web', uid: 'uid-web' },
    type: 'Warning',
    reason: 'NoPolicy',
    message: 'no policy',
    source: { component: 'signet-issuer' },
    reportingComponent: 'signet-issuer',
    reportingInstance: 'issuer-0',
    firstTimestamp: '2026-01-01T00:00:00Z',
    lastTimestamp: '2026-01-01T00:00:00Z',
    count: 1,
  });
});

test('of an object without a namespace it is in default', async () => {
  recorder.record({ ...subject('p', ''), kind: 'ClusterSPIFFEID' }, refused());
  await kube.until(() => events().length === 1);
  assert.equal(events()[0]?.metadata.namespace, 'default');
});

test('T-57: repeats are counted in one event, written once a minute, whatever they say', async () => {
  const end = kube.clock.now() + 300_000;
  let n = 0;
  await kube.until(() => {
    recorder.record(subject(), refused(`try ${(n += 1)}`));
    return kube.clock.now() >= end;
  }, 500);
  assert.ok(kube.api.requests.length <= 7, `${kube.api.requests.length} requests`);
  await kube.until(() => events()[0]?.['count'] === n, 1000);
  assert.equal(events().length, 1);
  assert.equal(events()[0]?.['message'], `try ${n}`);
});

test('T-57: events about ever other objects are held to a rate', async () => {
  for (let i = 0; i < 500; i += 1) recorder.record(subject(`p${i}`), refused());
  await kube.until(() => events().length >= 50);
  await kube.clock.advance(1);
  assert.ok(events().length <= 51);
  await minutes(1);
  assert.ok(events().length <= 50 + 62, `${events().length} events`);
  assert.ok(events().length >= 80, `${events().length} events`);
});

test('what cannot be written is given up after a few tries', async () => {
  kube.api.faults.push({ on: () => true, act: { status: 503 } });
  recorder.record(subject(), refused());
  await minutes(5);
  assert.equal(kube.api.requests.length, 3);
  kube.api.faults[0] = { on: () => true, act: { status: 403 } };
  recorder.record(subject('other'), refused());
  await minutes(5);
  assert.equal(kube.api.requests.length, 4);
});

test('an event that the API server has forgotten is made anew', async () => {
  recorder.record(subject(), refused());
  await kube.until(() => events().length === 1);
  await kube.clock.advance(51 * 60_000);
  recorder.record(subject(), refused());
  await kube.until(() => events().length === 2, 1000);
});

test('a message has a limit', async () => {
  recorder.record(subject(), refused('x'.repeat(5000)));
  await kube.until(() => events().length === 1);
  assert.equal(String(events()[0]?.['message']).length, 1001);
});
