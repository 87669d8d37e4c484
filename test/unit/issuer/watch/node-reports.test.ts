// What is believed of the serials that a node says it holds.

import assert from 'node:assert/strict';
import { beforeEach, test } from 'node:test';
import { create } from '@bufbuild/protobuf';
import { silentLogger } from '../../../../src/base/log.ts';
import { HeldInventory } from '../../../../src/issuer/held-inventory.ts';
import { PublishedPods } from '../../../../src/issuer/policy/published-pods.ts';
import { acceptHello } from '../../../../src/issuer/watch/node-reports.ts';
import { RollbackAlarm } from '../../../../src/issuer/watch/rollback-alarm.ts';
import { HelloSchema } from '../../../../src/transport/gen/signet/issuer_pb.ts';
import { FakeClock } from '../../../fakes/fake-clock.ts';
import { entry, MapPodSource, NODE, pod } from '../fixtures.ts';

let clock: FakeClock;
let pods: MapPodSource;
let inventory: HeldInventory;
beforeEach(() => {
  clock = new FakeClock();
  pods = new MapPodSource(pod());
  inventory = new HeldInventory();
});

type Said = { serial: string; podUid?: string; entryId?: string };

async function hello(...said: readonly Said[]): Promise<void> {
  const held = said.map(({ serial, podUid = 'pod-uid', entryId = 'policy-uid' }) => ({
    podUid,
    entryId,
    serial: Uint8Array.from(Buffer.from(serial, 'hex')),
    notAfter: BigInt(Math.floor(clock.now() / 1000) + 60),
  }));
  const caller = { node: NODE, credentialId: 'x', expiresAt: Number.POSITIVE_INFINITY };
  await acceptHello(create(HelloSchema, { held }), caller, {
    pods,
    published: new PublishedPods(),
    inventory,
    log: silentLogger,
    clock,
    refreshAuthorities: async () => {},
    rollback: new RollbackAlarm({ clock, sequence: () => 1, onRaise: () => {} }),
  });
}

const serials = () => inventory.heldBy(() => true, clock.now()).map(({ serial }) => serial);

test('serial numbers are taken as certificates have them: positive, once, at most 20 octets', async () => {
  const longest = 'ff'.repeat(20);
  await hello(
    ...['', '00', '0000', 'ff'.repeat(21), '00'.repeat(22)].map((serial) => ({ serial })),
    ...['01', '0001', `00${longest}`, '80', '0080'].map((serial) => ({ serial })),
  );
  assert.deepEqual(serials(), ['01', longest, '80']);
});

test('only of an entry that the pod has, suspended or not', async () => {
  pods.set(pod({ suspended: [entry({ entryId: 'other-uid' })] }));
  await hello(
    { serial: '0a' },
    { serial: '0b', entryId: 'other-uid' },
    { serial: '0c', entryId: 'made-up' },
    { serial: '0d', entryId: '' },
  );
  assert.deepEqual(serials(), ['0a', '0b']);
});

test('they come with what restrictions look at when the pod is gone', async () => {
  const owners = [{ kind: 'Job', name: 'batch', uid: 'job-uid', isController: true }];
  pods.set(pod({ owners, entries: [entry({ jwtClaims: { agent_trust_level: 'low' } })] }));
  await hello({ serial: '0a' });
  const [held] = inventory.heldBy(() => true, clock.now());
  assert.deepEqual(held?.owners, owners);
  assert.equal(held.trustLevel, 'low');
  assert.equal(held.spiffeId, entry().spiffeId);
});

test('what two pods of a node claim is neither’s, and many claims are few', async () => {
  pods.set(pod({ uid: 'second' }));
  await hello({ serial: '0a' }, { serial: '0b' }, { serial: '0a', podUid: 'second' });
  assert.deepEqual(serials(), ['0b']);
  await hello(...Array.from({ length: 200 }, (_, at) => ({ serial: (at + 0x1000).toString(16) })));
  assert.equal(serials().length, 3, 'four with the disputed one');
});
