import assert from 'node:assert/strict';
import { beforeEach, test } from 'node:test';
import { RollbackAlarm } from '../../../../src/issuer/watch/rollback-alarm.ts';
import { FakeClock } from '../../../fakes/fake-clock.ts';

let clock: FakeClock;
let own: number;
let nodes: Set<string>;
let raised: string[];
let alarm: RollbackAlarm;

const now = () => Math.floor(clock.now() / 1000);
const named = (count: number) => new Set(Array.from({ length: count }, (_, at) => `node-${at}`));

beforeEach(() => {
  clock = new FakeClock();
  own = now() - 3600;
  nodes = named(8);
  raised = [];
  alarm = new RollbackAlarm({
    clock,
    sequence: () => own,
    nodes: () => nodes,
    onRaise: (seen) => raised.push(`${seen.nodes} ${seen.sequence}`),
  });
});

test('one node that has seen more is alone with it, whatever it says and however often', () => {
  for (const sequence of [now() - 60, now() - 30, now()]) alarm.report('node-1', BigInt(sequence));
  assert.ok(alarm.isAhead('node-1'));
  assert.ok(!alarm.isAhead('node-2'));
  assert.ok(!alarm.isRaised);
  alarm.report('node-1', BigInt(own));
  assert.ok(!alarm.isAhead('node-1'));
});

for (const [count, needed] of [
  [1, 1],
  [2, 2],
  [5, 2],
  [8, 2],
  [12, 3],
  [100, 25],
] as const) {
  test(`of ${count} nodes, ${needed} stop the issuer and one less do not`, () => {
    nodes = named(count);
    for (let at = 0; at < needed; at += 1) {
      assert.ok(!alarm.isRaised);
      alarm.report(`node-${at}`, BigInt(now() - at));
    }
    assert.ok(alarm.isRaised);
    assert.deepEqual(raised, [`${needed} ${now()}`]);
  });
}

test('sequences that no clock can have made stop nobody but who says them', () => {
  for (const node of nodes) alarm.report(node, BigInt(now() + 301));
  assert.ok(!alarm.isRaised);
  assert.ok(alarm.isAhead('node-0'));
});

test('it is over when the own sequence is past what was seen, and begins again as a new alarm', () => {
  for (const node of nodes) alarm.report(node, BigInt(now()));
  assert.ok(alarm.isRaised);
  own = now();
  alarm.look();
  assert.ok(!alarm.isRaised);
  own = now() - 1;
  alarm.look();
  assert.equal(raised.length, 2);
});

test('nodes that are gone, or never had a plugin, do not count', () => {
  alarm.report('node-0', BigInt(now()));
  alarm.report('stranger', BigInt(now()));
  assert.ok(!alarm.isRaised);
  alarm.report('node-1', BigInt(now()));
  assert.ok(alarm.isRaised);
  nodes.delete('node-1');
  alarm.look();
  assert.ok(!alarm.isRaised);
});
