// One Watch at a time, driven by hand: time is a fake clock's, the node reads when the test reads.

import assert from 'node:assert/strict';
import { before, beforeEach, test } from 'node:test';
import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { silentLogger } from '../../../../src/base/log.ts';
import { AuthorityKeeper } from '../../../../src/issuer/authority/authority-keeper.ts';
import {
  AuthorityView,
  type SigningAuthorities,
} from '../../../../src/issuer/authority/signing-authorities.ts';
import { HeldInventory } from '../../../../src/issuer/held-inventory.ts';
import { noFederation } from '../../../../src/issuer/issuer.ts';
import { PublishedPods } from '../../../../src/issuer/policy/published-pods.ts';
import { contentDigest, type ToNode } from '../../../../src/issuer/watch/node-messages.ts';
import { NodeSessions } from '../../../../src/issuer/watch/node-sessions.ts';
import { type NodeWatchOptions, watchNode } from '../../../../src/issuer/watch/node-watch.ts';
import { RollbackAlarm } from '../../../../src/issuer/watch/rollback-alarm.ts';
import { parseSpiffeId, parseTrustDomain } from '../../../../src/spiffe/spiffe-id.ts';
import {
  type NodeReport,
  NodeReportSchema,
} from '../../../../src/transport/gen/signet/issuer_pb.ts';
import { FakeClock, settle } from '../../../fakes/fake-clock.ts';
import { entry, MapPodSource, MemoryAuditLog, NODE, pod, TRUST_DOMAIN } from '../fixtures.ts';
import { MemoryStore } from '../memory-store.ts';

type Init = MessageInitShape<typeof NodeReportSchema>;
type Report = Init['report'];

const MINUTE = 60_000;

let current: SigningAuthorities;
let clock: FakeClock;
let pods: MapPodSource;
let options: NodeWatchOptions;

before(async () => {
  const store = new MemoryStore();
  const common = { store, clock: new FakeClock(), audit: new MemoryAuditLog(), log: silentLogger };
  await new AuthorityKeeper({
    trustDomain: TRUST_DOMAIN,
    jwtKeyType: 'ec-p256',
    ...common,
  }).settle();
  const view = new AuthorityView({ trustDomain: TRUST_DOMAIN, store });
  await view.refresh();
  current = view.current.value ?? assert.fail();
});

beforeEach(() => {
  clock = new FakeClock();
  pods = new MapPodSource(pod());
  options = {
    pods,
    clock,
    log: silentLogger,
    federation: noFederation,
    authorities: () => current,
    sessions: new NodeSessions(clock),
    crls: () => [],
    published: new PublishedPods(),
    inventory: new HeldInventory(),
    refreshAuthorities: async () => {},
    rollback: new RollbackAlarm({
      clock,
      sequence: () => current.bundle.sequence,
      onRaise: () => {},
    }),
  };
  pods.onChange(({ podUid, node, gone }) => {
    for (const session of options.sessions.of(node)) session.outbox.addPod(podUid, gone);
  });
});

const HELLO: Report = { case: 'hello', value: {} };

function open(reports: readonly Report[] = [HELLO], expiresAt = Number.POSITIVE_INFINITY) {
  const stop = new AbortController();
  const said = async function* (): AsyncGenerator<NodeReport> {
    for (const report of reports) yield create(NodeReportSchema, { report } as Init);
    // A node that has nothing more to say keeps its side open.
    await clock.sleep(Number.MAX_SAFE_INTEGER, stop.signal);
  };
  const caller = { node: NODE, credentialId: 'x', expiresAt };
  const messages = watchNode(said(), { caller, signal: stop.signal }, options);
  const next = async (): Promise<NonNullable<ToNode['message']>> => {
    const { value, done } = await messages.next();
    assert.notEqual(done, true);
    return (value as ToNode).message ?? assert.fail('empty message');
  };
  const untilSynced = async () => {
    const kinds = [];
    for (;;) {
      const { case: kind } = await next();
      kinds.push(kind);
      if (kind === 'synced') return kinds;
    }
  };
  return { next, untilSynced, stop: () => stop.abort() };
}

test('the whole view: bundles, pods of this node that mount our driver, Synced', async () => {
  pods.set(pod({ uid: 'elsewhere', node: 'node-2' }));
  pods.set(pod({ uid: 'unmounted', volumes: [] }));
  pods.set(pod({ uid: 'second' }));
  const watch = open();
  assert.deepEqual(await watch.untilSynced(), [
    'bundles',
    'podIdentities',
    'podIdentities',
    'synced',
  ]);
  watch.stop();
});

test('a node that reads slowly gets one message a pod, the newest', async () => {
  const watch = open();
  await watch.untilSynced();
  for (let count = 0; count < 100; count += 1) pods.set(pod({ name: `agent-${count}` }));
  pods.set(pod({ uid: 'second', name: 'last' }));
  const names = [];
  for (let count = 0; count < 2; count += 1) {
    const message = await watch.next();
    assert.ok(message.case === 'podIdentities');
    names.push(message.value.name);
  }
  assert.deepEqual(names, ['agent-99', 'last']);
  watch.stop();
  await assert.rejects(watch.next(), { code: 'unavailable' });
});

test('what changes while the whole view is read is sent as it is by then', async () => {
  const watch = open();
  assert.equal((await watch.next()).case, 'bundles');
  pods.delete('pod-uid');
  assert.equal((await watch.next()).case, 'synced');
  assert.equal((await watch.next()).case, 'podGone');
  watch.stop();
});

test('a pod that left the node is gone for it', async () => {
  const watch = open();
  await watch.untilSynced();
  pods.set(pod({ node: 'node-2' }));
  options.sessions.of(NODE)[0]?.outbox.addPod('pod-uid', false);
  assert.equal((await watch.next()).case, 'podGone');
  watch.stop();
});

test('a Watch ends after ten minutes, or with the token, with Unavailable', async () => {
  for (const [lasts, minutes] of [
    [Number.POSITIVE_INFINITY, 10],
    [4, 4],
  ] as const) {
    const watch = open([HELLO], clock.now() + lasts * MINUTE);
    await watch.untilSynced();
    const ended = assert.rejects(watch.next(), { code: 'unavailable' });
    await clock.advance(minutes * MINUTE - 1000);
    assert.equal(options.sessions.of(NODE).length, 1);
    await clock.advance(1000);
    await ended;
    assert.equal(options.sessions.of(NODE).length, 0, 'the session is closed');
  }
});

test('a node that says nothing for ten seconds is not waited for', async () => {
  const watch = open([]);
  const ended = assert.rejects(watch.next(), { code: 'unavailable', message: 'no hello in time' });
  await clock.advance(10_000);
  await ended;
});

test('a view that is too old serves no Watch', async () => {
  pods.fresh = false;
  await assert.rejects(open().next(), { code: 'unavailable' });
});

test('of more than four watches of one node the oldest ends', async () => {
  const watches = [open(), open(), open(), open()];
  for (const watch of watches) await watch.untilSynced();
  const fifth = open();
  await fifth.untilSynced();
  const [first, ...others] = watches;
  await assert.rejects(first?.next() ?? assert.fail(), { code: 'unavailable' });
  assert.equal(options.sessions.of(NODE).length, 4);
  for (const watch of [...others, fifth]) watch.stop();
});

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
  options = { ...options, pods: Object.assign(pods, { restrictionsKnownTo: 9n }) };
  const watch = ahead(9n);
  await watch.untilSynced();
  watch.stop();
  await assert.rejects(ahead(10n).next(), { code: 'unavailable', reason: 'ViewBehind' });
});

test('bundles of other trust domains travel apart from ours', async () => {
  const trustDomain = parseTrustDomain('example.net');
  const { bundle } = current;
  pods.set(pod({ entries: [entry({ federatesWith: [trustDomain] })] }));
  options = {
    ...options,
    federation: {
      ...noFederation,
      federatedTrustDomains: () => [{ bundle: { ...bundle, trustDomain }, labels: {} }],
    },
  };
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
  options = {
    ...options,
    rollback: new RollbackAlarm({ clock, sequence: () => known, onRaise: () => {} }),
    refreshAuthorities: async () => {
      known = 6;
    },
  };
  const seen = (bundleSequence: bigint): Report => ({ case: 'hello', value: { bundleSequence } });
  const watch = open([seen(6n)]);
  await watch.untilSynced();
  watch.stop();
  await assert.rejects(open([seen(7n)]).next(), { reason: 'StateRolledBack' });
  assert.ok(options.rollback.isAhead(NODE));
});

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

test('the content digest changes with what shapes the SVID, and with nothing else', () => {
  const of = (change: Parameters<typeof entry>[0]) =>
    Buffer.from(contentDigest(entry(change))).toString('hex');
  const base = of({});
  const { limits } = entry();
  for (const change of [
    { spiffeId: parseSpiffeId('spiffe://example.org/x') },
    { dnsNames: ['a'] },
    { commonName: 'a' },
    { x509TtlSeconds: 60 },
    { limits: { ...limits, maxX509TtlSeconds: 60 } },
  ]) {
    assert.notEqual(of(change), base, JSON.stringify(change));
  }
  for (const change of [
    { hint: 'a' },
    { federatesWith: [parseTrustDomain('example.net')] },
    { jwtTtlSeconds: 60 },
    { x509TtlSeconds: 3600 },
    { limits: { ...limits, jwtDenied: true } },
    { limits: { ...limits, sdsDenied: true } },
  ]) {
    assert.equal(of(change), base, JSON.stringify(change));
  }
});

test('a node that opens one watch after another is told to wait', async () => {
  for (let count = 0; count < 20; count += 1) {
    const watch = open();
    await watch.next();
    watch.stop();
  }
  await assert.rejects(open().next(), { code: 'unavailable', reason: 'Throttled' });
  await clock.advance(2000);
  const watch = open();
  await watch.next();
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

test('a pod that the view does not know well enough for now is not said to be gone', async () => {
  const watch = open();
  await watch.untilSynced();
  const known = pods.pod.bind(pods);
  pods.pod = (uid) => (uid === 'pod-uid' ? undefined : known(uid));
  pods.set(pod());
  pods.set(pod({ uid: 'second' }));
  const first = await watch.next();
  assert.equal(first.case === 'podIdentities' && first.value.podUid, 'second');
  pods.delete('pod-uid');
  const then = await watch.next();
  assert.equal(then.case === 'podGone' && then.value.podUid, 'pod-uid');
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
