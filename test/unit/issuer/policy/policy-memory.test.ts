import assert from 'node:assert/strict';
import { test } from 'node:test';
import { HeldInventory } from '../../../../src/issuer/held-inventory.ts';
import { checkAudience } from '../../../../src/issuer/policy/audience.ts';
import { KeyRegistry, keyDigest } from '../../../../src/issuer/policy/key-registry.ts';
import { MintLimits } from '../../../../src/issuer/policy/mint-limits.ts';
import { PublishedPods } from '../../../../src/issuer/policy/published-pods.ts';
import { FakeClock } from '../../../fakes/fake-clock.ts';

test('a key is free, its holder’s, or another’s until it is over', () => {
  const keys = new KeyRegistry();
  const digest = keyDigest(Uint8Array.of(1));
  assert.ok(keys.mayUse(digest, 'a', 0));
  keys.remember(digest, { holder: 'a', notAfter: 100 });
  assert.ok(keys.mayUse(digest, 'a', 50));
  assert.ok(!keys.mayUse(digest, 'b', 99));
  assert.ok(keys.mayUse(digest, 'b', 100));
  keys.prune(99);
  assert.ok(!keys.mayUse(digest, 'b', 99));
});

test('a key of an authority is nobody’s', () => {
  const keys = new KeyRegistry();
  const digest = keyDigest(Uint8Array.of(1));
  keys.setAuthorities(new Set([digest]));
  assert.ok(!keys.mayUse(digest, 'a', 0));
  assert.ok(keys.mayUse(keyDigest(Uint8Array.of(2)), 'a', 0));
});

test('a shorter use of a key does not free it before the longest one ends', () => {
  const keys = new KeyRegistry();
  keys.remember('key', { holder: 'a', notAfter: 1000 });
  keys.remember('key', { holder: 'a', notAfter: 10 });
  keys.prune(500);
  assert.ok(!keys.mayUse('key', 'b', 500));
  assert.ok(keys.mayUse('key', 'b', 1000));
});

test('one holder has room for so many keys, until some are over', () => {
  const keys = new KeyRegistry();
  let count = 0;
  while (keys.hasRoom(`k${count}`, 'a')) {
    keys.remember(`k${count}`, { holder: 'a', notAfter: 100 + count });
    count += 1;
    assert.ok(count <= 1024);
  }
  assert.equal(count, 1024);
  assert.ok(keys.hasRoom('k7', 'a'), 'one that it has already');
  assert.ok(keys.hasRoom('new', 'b'));
  keys.remember('k7', { holder: 'b', notAfter: 5000 });
  assert.ok(keys.hasRoom('new', 'a'), 'one went to another holder');
  keys.remember('new', { holder: 'a', notAfter: 5000 });
  assert.ok(!keys.hasRoom('newer', 'a'));
  keys.prune(101);
  assert.ok(keys.hasRoom('newer', 'a'));
});

test('what did not get out was not signed before publishing', () => {
  const pods = new PublishedPods();
  pods.countSigned('pod', 'one');
  pods.uncountSigned('pod', 'one');
  pods.uncountSigned('pod', 'one');
  pods.uncountSigned('unknown', 'one');
  assert.equal(pods.prefetched('pod', 'one'), 0);
});

const PLACE = { node: 'n', namespace: 'city', serviceAccount: 'agent' };

test('a node’s report changes and displaces nothing that we know', () => {
  const inventory = new HeldInventory();
  const of = (serial: string, notAfter: number) => {
    return { serial, notAfter, podUid: 'pod', entryId: 'e', ...PLACE };
  };
  const hour = 3_600_000;
  inventory.add(of('issued', hour));
  inventory.report(of('issued', 1), 0);
  inventory.report(of('over', 5), 5);
  inventory.report(of('nonsense', Number.NaN), 0);
  for (let count = 0; count < 1000; count += 1) {
    inventory.report({ ...of(`r${count}`, 1e300), entryId: `e${count}` }, 0);
  }
  const out = (now: number) => inventory.heldBy(() => true, now).map(({ serial }) => serial);
  assert.equal(out(0).length, 256);
  assert.ok(out(hour - 1).includes('issued'));
  assert.ok(!out(0).includes('over') && !out(0).includes('nonsense'));
  assert.deepEqual(out(24 * hour), [], 'nothing is out for longer than an SVID may live');
  for (let count = 0; count < 255; count += 1) inventory.add(of(`i${count}`, 2 * hour));
  assert.equal(out(0).filter((serial) => serial.startsWith('i')).length, 256);
});

test('a node’s report makes nobody else’s certificate its own', () => {
  const inventory = new HeldInventory();
  const of = (podUid: string) => ({ serial: 'aa', notAfter: 9, podUid, entryId: 'e', ...PLACE });
  const owners = () => inventory.heldBy(() => true, 0).map(({ podUid }) => podUid);
  inventory.report(of('thief'), 0);
  inventory.report(of('victim'), 0);
  assert.deepEqual(owners(), [], 'who came first counts for nothing');
  inventory.report(of('thief'), 0);
  assert.deepEqual(owners(), []);
  inventory.prune(10);
  inventory.add(of('victim'));
  inventory.report(of('thief'), 0);
  assert.deepEqual(owners(), ['victim']);
  assert.equal(inventory.reports, 2);
});

test('what we issue to a pod is no longer what another one claimed', () => {
  const inventory = new HeldInventory();
  const of = (podUid: string) => ({ serial: 'aa', notAfter: 9, podUid, entryId: 'e', ...PLACE });
  inventory.report(of('thief'), 0);
  inventory.add(of('victim'));
  const owners = inventory.heldBy(() => true, 0).map(({ podUid }) => podUid);
  assert.deepEqual(owners, ['victim']);
});

test('a node names four serials of an entry, and disputed ones keep their place', () => {
  const inventory = new HeldInventory();
  const report = (podUid: string, serial: string, notAfter = 9) =>
    inventory.report({ serial, notAfter, podUid, entryId: 'e', ...PLACE }, 0);
  for (let count = 0; count < 100; count += 1) report('one', `a${count}`);
  const out = () => inventory.heldBy(() => true, 0).map(({ serial }) => serial);
  assert.deepEqual(out(), ['a0', 'a1', 'a2', 'a3']);
  for (let count = 0; count < 100; count += 1) report('two', `a${count}`);
  assert.deepEqual(out(), ['a4', 'a5', 'a6', 'a7']);
  report('one', 'more');
  assert.ok(!out().includes('more'));
});

test('ten a second with a burst of fifty, each key for itself', async () => {
  const clock = new FakeClock();
  const limits = new MintLimits(clock, { perSecond: 10, burst: 50 });
  assert.ok(limits.take('a', 50));
  assert.ok(!limits.take('a', 1));
  assert.ok(limits.take('b', 1));
  await clock.advance(1000);
  assert.ok(limits.take('a', 10));
  assert.ok(!limits.take('a', 1));
  clock.jump(-3_600_000);
  assert.ok(!limits.take('a', 1));
});

test('what is signed before publishing counts, per entry, and publishing ends it', () => {
  const pods = new PublishedPods();
  pods.countSigned('pod', 'one');
  pods.countSigned('pod', 'one');
  pods.countSigned('pod', 'two');
  assert.equal(pods.prefetched('pod', 'one'), 2);
  assert.equal(pods.prefetched('pod', 'two'), 1);
  pods.publish('pod');
  pods.countSigned('pod', 'one');
  assert.equal(pods.prefetched('pod', 'one'), 0);
  assert.ok(pods.isPublished('pod'));
  pods.unpublish('pod');
  assert.ok(!pods.isPublished('pod'));
  pods.countSigned('pod', 'one');
  pods.forget('pod');
  assert.equal(pods.prefetched('pod', 'one'), 0);
});

for (const [what, audience] of [
  ['none', []],
  ['eleven', Array.from({ length: 11 }, (_, index) => String(index))],
  ['an empty one', ['']],
  ['1,025 bytes', ['ä'.repeat(512) + 'a']],
  ['the same twice', ['a', 'a']],
] as const) {
  test(`an audience of ${what} is malformed`, () => {
    assert.throws(() => checkAudience(audience), { code: 'invalid-argument' });
  });
}

test('ten audiences of 1,024 bytes are fine', () => {
  checkAudience(Array.from({ length: 10 }, (_, index) => String(index).padStart(1024, '0')));
});

test('the inventory knows what is out and not over, up to a bound for each pod', () => {
  const inventory = new HeldInventory();
  const held = (serial: string, notAfter: number) =>
    inventory.add({ serial, notAfter, podUid: 'pod', entryId: 'e', ...PLACE });
  held('over', 10);
  held('out', 100);
  const serials = (now: number) => inventory.heldBy(() => true, now).map(({ serial }) => serial);
  assert.deepEqual(serials(50), ['out']);
  inventory.prune(50);
  assert.deepEqual(serials(0), ['out']);
  for (let count = 0; count < 1000; count += 1) held(`s${count}`, 200 + count);
  assert.equal(serials(0).length, 256);
  assert.ok(serials(0).includes('s999'));
});
