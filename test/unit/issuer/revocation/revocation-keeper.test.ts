// Two replicas over one store: what either knows is on the lists of both, through restarts and lost
// races, and with the roots' lists the set is complete at every moment.

import assert from 'node:assert/strict';
import { afterEach, beforeEach, test } from 'node:test';
import { activeOf } from '../../../../src/authorities/authority-state.ts';
import { completeSet, readRevocations } from '../../../../src/authorities/revocation-document.ts';
import { silentLogger } from '../../../../src/base/log.ts';
import { AuthorityView } from '../../../../src/issuer/authority/signing-authorities.ts';
import { HeldInventory } from '../../../../src/issuer/held-inventory.ts';
import type { PodSource } from '../../../../src/issuer/pod-source.ts';
import { RevocationKeeper } from '../../../../src/issuer/revocation/revocation-keeper.ts';
import { type Crl, readCrl } from '../../../../src/spiffe/crl/crl.ts';
import { World } from '../authority/authority-world.ts';
import { MemoryAuditLog, NODE, TRUST_DOMAIN } from '../fixtures.ts';
import { Pods } from './suspending-pods.ts';

const HOUR = 3_600_000;

let world: World;
let stop: AbortController;
let running: Promise<void>[];
beforeEach(async () => {
  world = new World();
  await world.rotate();
  stop = new AbortController();
  running = [];
});
afterEach(async () => {
  stop.abort();
  await Promise.all(running);
});

type Replica = {
  readonly keeper: RevocationKeeper;
  readonly inventory: HeldInventory;
  readonly audit: MemoryAuditLog;
  readonly view: AuthorityView;
  readonly pods: Pods;
  mayGoOn: boolean;
};

async function start(pods = new Pods()): Promise<Replica> {
  const { store, clock } = world;
  const view = new AuthorityView({ trustDomain: TRUST_DOMAIN, store });
  await view.refresh();
  const audit = new MemoryAuditLog();
  const inventory = new HeldInventory();
  const replica: Replica = {
    inventory,
    audit,
    view,
    pods,
    mayGoOn: true,
    keeper: new RevocationKeeper({
      store,
      authorities: view.current,
      pods: pods satisfies PodSource,
      inventory,
      audit,
      clock,
      log: silentLogger,
      maySign: () => replica.mayGoOn,
    }),
  };
  running.push(replica.keeper.run(stop.signal));
  await clock.advance(10);
  return replica;
}

function issue({ inventory, view }: Replica, serial: string, podUid = 'pod-uid'): void {
  const authority = view.current.value?.x509.authorityId ?? assert.fail();
  const of = { podUid, entryId: 'e', node: NODE, namespace: 'city', serviceAccount: 'agent' };
  inventory.add({ serial, notAfter: world.clock.now() + HOUR, authority, ...of });
}

function listsOf({ keeper }: Replica): readonly Crl[] {
  return (keeper.crls.value ?? assert.fail('no lists')).map((der) => readCrl(der));
}

function revokedBy(replica: Replica): readonly string[] {
  const entries = listsOf(replica).flatMap(({ revoked }) => revoked);
  return entries.map((entry) => Buffer.from(entry.serialNumber).toString('hex')).toSorted();
}

const document = () =>
  readRevocations(JSON.parse(world.store.documents.get('revocations')?.text ?? ''), TRUST_DOMAIN);

test('at rest the set is empty lists of the intermediate and of both roots', async () => {
  const replica = await start();
  assert.equal(listsOf(replica).length, 3);
  assert.deepEqual(revokedBy(replica), []);
  const writes = world.store.operations;
  await world.clock.advance(30_000);
  const reads = world.store.operations - writes;
  assert.ok(reads > 0 && reads < 10, `${reads} looks in half a minute`);
  assert.equal(completeSet(world.state, document(), world.clock.now()).length, 3);
});

test('what is suspended is on the list at once, with an audit line; others are not', async () => {
  const replica = await start();
  issue(replica, '0a');
  issue(replica, '0b', 'other-pod');
  replica.pods.restrict('stop', true);
  replica.keeper.podChanged();
  await world.clock.advance(0);
  assert.deepEqual(revokedBy(replica), ['0a']);
  assert.equal(listsOf(replica).flatMap(({ revoked }) => revoked)[0]?.reason, 5);
  const lines = replica.audit.events.filter(({ event }) => event === 'X509SvidRevoked');
  assert.deepEqual(
    lines.map(({ serial, detail }) => [serial, detail]),
    [['0a', 'stop']],
  );
});

test('replicas share what they know, whoever writes first', async () => {
  const one = await start();
  const two = await start();
  issue(one, '0a');
  issue(two, '0b');
  for (const { pods, keeper } of [one, two]) {
    pods.restrict('stop', false);
    keeper.podChanged();
  }
  await world.clock.advance(1000);
  assert.deepEqual(revokedBy(one), ['0a', '0b']);
  assert.deepEqual(revokedBy(two), ['0a', '0b']);
});

test('a replica that has not heard of a suspension takes nobody off', async () => {
  const one = await start();
  const two = await start();
  issue(one, '0a');
  one.pods.restrict('night', false);
  one.keeper.podChanged();
  await world.clock.advance(60_000);
  assert.deepEqual(revokedBy(two), ['0a'], 'by what the other wrote');
  for (const { pods } of [one, two]) {
    pods.restrict('night', false);
    pods.restrict('night', undefined);
  }
  one.keeper.podChanged();
  await world.clock.advance(10_000);
  assert.deepEqual(revokedBy(one), []);
  assert.deepEqual(revokedBy(two), []);
});

test('everything restarts: the list is there, and what nodes then report is added', async () => {
  const before = await start();
  issue(before, '0a');
  before.pods.restrict('stop', true);
  before.keeper.podChanged();
  await world.clock.advance(0);
  stop.abort();
  await Promise.all(running);
  stop = new AbortController();
  const pods = new Pods();
  pods.restrict('stop', true);
  const after = await start(pods);
  assert.deepEqual(revokedBy(after), ['0a']);
  const of = { podUid: 'pod-uid', entryId: 'e', node: NODE, namespace: 'c', serviceAccount: 's' };
  const now = world.clock.now();
  after.inventory.report({ serial: '0c', notAfter: now + HOUR, ...of }, now);
  await world.clock.advance(5000);
  assert.deepEqual(revokedBy(after), ['0a', '0c']);
  world.clock.jump(2 * HOUR);
  await world.clock.advance(5000);
  assert.deepEqual(revokedBy(after), [], 'and ends with the certificates');
});

test('lists are renewed long before they end, and their numbers rise', async () => {
  const replica = await start();
  const numbers = () => listsOf(replica).map(({ number }) => number);
  const [first = 0n] = numbers();
  world.clock.jump(5 * HOUR);
  await world.clock.advance(5000);
  assert.equal(numbers()[0], first);
  world.clock.jump(HOUR);
  await world.clock.advance(5000);
  assert.ok((numbers()[0] ?? 0n) > first);
});

test('a new intermediate has its list before the set is shown again', async () => {
  const replica = await start();
  const active = activeOf(world.state, 'intermediate') ?? assert.fail();
  await world.command({ verb: 'revoke', id: active.id });
  await world.rotate();
  const [list] = completeSet(world.state, document(), world.clock.now());
  assert.equal(list, undefined, 'not complete: nobody is to refuse everybody');
  await replica.view.refresh();
  replica.keeper.wake();
  await world.clock.advance(0);
  const set = listsOf(replica);
  assert.equal(set.length, 3);
  const onRoots = set.flatMap(({ revoked }) => revoked);
  assert.equal(onRoots.length, 1, 'the revoked intermediate, by its root');
});

test('what a node lies about its serials stops no list', async () => {
  const replica = await start();
  const now = world.clock.now();
  const of = { podUid: 'pod-uid', node: NODE, namespace: 'city', serviceAccount: 'agent' };
  for (const serial of ['00', '01', '0001', 'ff'.repeat(21)]) {
    replica.inventory.report({ serial, entryId: serial, notAfter: now + HOUR, ...of }, now);
  }
  issue(replica, '0a');
  replica.pods.restrict('stop', true);
  replica.keeper.podChanged();
  await world.clock.advance(0);
  assert.deepEqual(revokedBy(replica), ['01', '0a']);
});

test('while nothing may be signed nothing is', async () => {
  const replica = await start();
  replica.mayGoOn = false;
  issue(replica, '0a');
  replica.pods.restrict('stop', true);
  replica.keeper.podChanged();
  await world.clock.advance(10_000);
  assert.deepEqual(revokedBy(replica), []);
});

test('a document that cannot be read is not taken for an empty one', async () => {
  const replica = await start();
  const stored = world.store.documents.get('revocations') ?? assert.fail();
  world.store.documents.set('revocations', { version: stored.version + 1, text: '{"format":9}' });
  await world.clock.advance(10_000);
  assert.equal(world.store.documents.get('revocations')?.text, '{"format":9}');
  assert.equal(listsOf(replica).length, 3, 'what was there stays');
});
