import assert from 'node:assert/strict';
import { afterEach, beforeEach, test } from 'node:test';
import { fixedAccess } from '../../../src/kube/kube-access.ts';
import { KubeClient } from '../../../src/kube/kube-client.ts';
import { LeaderElection, type Leadership } from '../../../src/kube/leader-election.ts';
import { FakeClock, settle } from '../../fakes/fake-clock.ts';
import { KubeHarness } from './kube-harness.ts';

const LEASES = '/apis/coordination.k8s.io/v1/leases';
const LEASE = { namespace: 'signet', name: 'signet-controller' };

let kube: KubeHarness;
let candidates: Candidate[];

beforeEach(async () => {
  kube = await KubeHarness.start();
  candidates = [];
});
afterEach(async () => {
  for (const candidate of candidates) candidate.stop.abort();
  await Promise.allSettled(candidates.map(({ done }) => done));
  for (const { client } of candidates) client.close();
  await kube.stop();
});

/** A process that would lead, on a clock of its own. */
class Candidate {
  readonly stop = new AbortController();
  readonly clock: FakeClock;
  readonly client: KubeClient;
  leadership: Leadership | undefined;
  terms = 0;
  /** Resolves when the work may end. */
  work: (leadership: Leadership) => Promise<void> = async ({ signal }) => {
    await new Promise<void>((resolve) => {
      signal.addEventListener('abort', () => resolve(), { once: true });
    });
  };
  readonly done: Promise<void>;

  constructor(identity: string, clock = kube.clock) {
    this.clock = clock;
    this.client = new KubeClient({
      access: fixedAccess({ url: kube.api.url, ca: kube.api.ca, token: kube.api.token }),
      clock,
      userAgent: identity,
    });
    const election = new LeaderElection({
      client: this.client,
      lease: LEASE,
      identity,
      clock,
      log: kube.log,
    });
    this.done = election.run(async (leadership) => {
      this.leadership = leadership;
      this.terms += 1;
      await this.work(leadership);
      this.leadership = undefined;
    }, this.stop.signal);
    candidates.push(this);
  }

  get leads(): boolean {
    return this.leadership !== undefined && !this.leadership.signal.aborted;
  }
}

function spec(): Record<string, unknown> {
  return (kube.api.get(LEASES, LEASE.name, LEASE.namespace)?.['spec'] ?? {}) as Record<
    string,
    unknown
  >;
}

test('the first to come leads, renews, and the others wait', async () => {
  const a = new Candidate('a');
  await kube.until(() => a.leads);
  const b = new Candidate('b');
  const end = kube.clock.now() + 60_000;
  await kube.until(() => kube.clock.now() >= end, 500);
  assert.deepEqual([a.leads, a.terms, b.terms], [true, 1, 0]);
  assert.equal(spec()['holderIdentity'], 'a');
  assert.equal(spec()['leaseDurationSeconds'], 15);
  assert.match(String(spec()['renewTime']), /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/);
  a.leadership?.check();
});

test('two who come at once: one leads', async () => {
  const both = [new Candidate('a'), new Candidate('b')];
  await kube.until(() => both.some(({ leads }) => leads));
  await kube.clock.advance(2000);
  await settle();
  assert.equal(both.filter(({ leads }) => leads).length, 1);
});

test('who shuts down gives the lease back, and another leads within a retry', async () => {
  const a = new Candidate('a');
  await kube.until(() => a.leads);
  const b = new Candidate('b');
  const first = a.leadership?.term ?? -1;
  a.stop.abort();
  await a.done;
  assert.equal(spec()['holderIdentity'], '');
  const from = kube.clock.now();
  await kube.until(() => b.leads, 100);
  assert.ok(kube.clock.now() - from <= 2500);
  assert.ok((b.leadership?.term ?? 0) > first);
});

test('work has ended before the lease is given back', async () => {
  const a = new Candidate('a');
  const gate = Promise.withResolvers<void>();
  a.work = async () => await gate.promise;
  await kube.until(() => a.leads);
  a.stop.abort();
  await settle();
  assert.equal(spec()['holderIdentity'], 'a');
  gate.resolve();
  await a.done;
  assert.equal(spec()['holderIdentity'], '');
});

test('F-23: without renewals work stops before anybody else may take over', async () => {
  const a = new Candidate('a');
  await kube.until(() => a.leads);
  kube.api.faults.push({ on: ({ method }) => method === 'PUT', act: { status: 503 } });
  const from = kube.clock.now();
  await kube.until(() => !a.leads, 100);
  const took = kube.clock.now() - from;
  assert.ok(took > 5000 && took <= 10_500, `${took} ms`);
});

test('F-23: a leader that stood still for 20 s leads no more, and the two never write together', async () => {
  const frozen = new FakeClock(kube.clock.now());
  const a = new Candidate('a', frozen);
  await kube.until(() => a.leads);
  const before = a.leadership ?? assert.fail();
  const b = new Candidate('b');
  // Its timers do not fire, as in a process that is stopped.
  const from = kube.clock.now();
  await kube.until(() => b.leads, 500);
  assert.ok(kube.clock.now() - from >= 15_000);
  frozen.jump(20_000);
  // Before any timer of its own has fired.
  assert.throws(() => before.check(), { code: 'aborted' });
  assert.equal(before.signal.aborted, true);
  await frozen.advance(2000);
  await settle();
  assert.equal(a.leads, false);
  assert.equal(spec()['holderIdentity'], 'b');
  assert.ok((b.leadership?.term ?? 0) > before.term);
});

test('a renewal that comes too late brings nothing back', async () => {
  const a = new Candidate('a');
  await kube.until(() => a.leads);
  const { signal } = a.leadership ?? assert.fail();
  kube.api.faults.push({ on: ({ method }) => method === 'PUT', act: 'stall', times: 1 });
  await kube.until(() => signal.aborted, 500);
  assert.equal(signal.aborted, true);
});

test('a clock that is set back ends the leadership', async () => {
  const a = new Candidate('a');
  await kube.until(() => a.leads);
  const { check } = a.leadership ?? assert.fail();
  kube.clock.jump(-60_000);
  assert.throws(check, { code: 'aborted' });
});

test('a lease that somebody labels stays ours; one that somebody takes does not', async () => {
  const a = new Candidate('a');
  await kube.until(() => a.leads);
  const lease = kube.api.get(LEASES, LEASE.name, LEASE.namespace) ?? assert.fail();
  kube.api.set(LEASES, { ...lease, metadata: { ...lease.metadata, labels: { x: 'y' } } });
  await kube.clock.advance(2000);
  await kube.until(() => spec()['renewTime'] !== (lease['spec'] as typeof lease)['renewTime'], 500);
  assert.equal(a.leads, true);
  const taken = { ...spec(), holderIdentity: 'z', leaseTransitions: 9 };
  const now = kube.api.get(LEASES, LEASE.name, LEASE.namespace) ?? assert.fail();
  kube.api.set(LEASES, { ...now, spec: taken });
  await kube.until(() => !a.leads, 500);
  assert.equal(spec()['holderIdentity'], 'z');
});

test('work that fails ends the election with its error, the lease given back', async () => {
  const a = new Candidate('a');
  a.work = async () => {
    throw new Error('no');
  };
  await assert.rejects(a.done, /no/);
  assert.equal(spec()['holderIdentity'], '');
});
