// Operators, the hourly job, crashes, restores and time in any order: whatever happens, there is always
// something that signs, what it signs is believed, and a quiet run at the end finds all in order.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { type AuthorityKind, activeOf } from '../../../../src/authorities/authority-state.ts';
import type { AuthorityCommand } from '../../../../src/issuer/authority/authority-commands.ts';
import { type Action, type Wanted, World } from './authority-world.ts';

// Half of all runs are cut off somewhere.
const crashAt = fc.oneof(fc.constant(0), fc.integer({ min: 1, max: 30 }));
const verb = fc.constantFrom<Wanted['verb']>('prepare', 'activate', 'taint', 'revoke');
const action: fc.Arbitrary<Action> = fc.oneof(
  fc.record({ do: fc.constant('rotate' as const), crashAt }),
  fc.record({
    do: fc.constant('command' as const),
    command: fc.record({ verb, pick: fc.nat(20) }),
    crashAt,
  }),
  fc.record({ do: fc.constant('wait' as const), hours: fc.constantFrom(0.2, 1, 25, 200) }),
  fc.record({ do: fc.constantFrom('backup' as const, 'restore' as const) }),
);

test('any order of commands, runs, crashes, restores and time ends in order', async (t) => {
  let crashes = 0;
  let refused = 0;
  await fc.assert(
    fc.asyncProperty(fc.array(action, { minLength: 3, maxLength: 14 }), async (actions) => {
      const world = new World();
      await world.rotate();
      await world.check();
      for (const one of actions) {
        await world.run(one);
        await world.check();
      }
      await world.rest();
      crashes += world.crashes;
      refused += world.refused;
    }),
    { numRuns: 100 },
  );
  t.diagnostic(`${crashes} crashes, ${refused} refusals`);
  assert.ok(crashes > 10 && refused > 10);
});

type Case = readonly [string, (world: World) => AuthorityCommand];

const idOf = (world: World, kind: AuthorityKind) => activeOf(world.state, kind)?.id ?? '';
const standbyOf = ({ state }: World) =>
  state.authorities.find(({ kind, phase }) => kind === 'root' && phase === 'published')?.id ?? '';
const CASES: readonly Case[] = [
  ['revoke root', (world) => ({ verb: 'revoke', id: idOf(world, 'root') })],
  ['taint root', (world) => ({ verb: 'taint', id: idOf(world, 'root') })],
  ['activate root', (world) => ({ verb: 'activate', id: standbyOf(world), isUrgent: true })],
  ['revoke standby root', (world) => ({ verb: 'revoke', id: standbyOf(world) })],
  ['revoke jwt', (world) => ({ verb: 'revoke', id: idOf(world, 'jwt') })],
  ['taint intermediate', (world) => ({ verb: 'taint', id: idOf(world, 'intermediate') })],
  ['revoke serving', (world) => ({ verb: 'revoke', id: idOf(world, 'serving') })],
  ['prepare jwt', () => ({ verb: 'prepare', kind: 'jwt' })],
  ['accept-restore', () => ({ verb: 'accept-restore', seen: 0 })],
];

for (const [what, aim] of CASES) {
  test(`${what}: cut off at any operation, somebody can always sign, and the next run finishes`, async () => {
    let crashAt = 1;
    for (; ; crashAt += 1) {
      const world = new World();
      await world.rotate();
      await world.check();
      const command = aim(world);
      await world.withCrash(crashAt, async () => await world.command(command));
      await world.check();
      if (world.crashes === 0) break;
      await world.rotateOrRefuse();
      await world.check();
      await world.rest();
    }
    assert.ok(crashAt > 10, `${crashAt} crashes`);
  });
}

test('the job alone makes good what the job left, the blindly written key of a root included', async () => {
  let crashAt = 1;
  for (; ; crashAt += 1) {
    const world = new World();
    await world.withCrash(crashAt, async () => await world.rotate());
    if (world.crashes === 0) break;
    for (let look = 0; look < 3; look += 1) {
      await world.rotate();
      await world.clock.advance(11 * 60_000);
    }
    await world.rotate();
    await world.check();
    await world.rest();
  }
  assert.ok(crashAt > 50, `${crashAt} crashes`);
});

test('one that asks for what cannot be is told why', async () => {
  const world = new World();
  await assert.rejects(world.command({ verb: 'prepare', kind: 'jwt' }), {
    reason: 'NothingActive',
  });
  await world.rotate();
  const refusals: readonly [AuthorityCommand, string][] = [
    [{ verb: 'revoke', id: 'ffffffffffff' }, 'UnknownAuthority'],
    [{ verb: 'revoke', id: idOf(world, 'jwt').slice(0, 4) }, 'UnknownAuthority'],
    [{ verb: 'taint', id: standbyOf(world) }, 'WrongPhase'],
    [{ verb: 'prepare', kind: 'root' }, 'AlreadyPrepared'],
    [{ verb: 'activate', id: standbyOf(world), isUrgent: false }, 'TooEarly'],
    [{ verb: 'accept-restore', seen: 1e12 }, 'Implausible'],
  ];
  for (const [command, reason] of refusals) {
    const before = JSON.stringify(world.state);
    await assert.rejects(world.command(command), { reason });
    assert.equal(JSON.stringify(world.state), before);
  }
});

test('without the key of the standby root nothing is activated', async () => {
  const world = new World();
  await world.rotate();
  world.store.documents.delete('standby-root-key');
  const before = JSON.stringify(world.state);
  const command = { verb: 'revoke', id: idOf(world, 'root') } as const;
  await assert.rejects(world.command(command), { reason: 'StandbyKeyMissing' });
  assert.equal(JSON.stringify(world.state), before);
});

test('a revoked JWT authority takes with it those whose keys lie in the same Secret', async () => {
  const world = new World();
  await world.rotate();
  await world.command({ verb: 'prepare', kind: 'jwt' });
  await world.rotate();
  const leaked = world.state.authorities.filter(({ kind }) => kind === 'jwt').map(({ id }) => id);
  assert.ok(leaked.length > 1);
  await world.command({ verb: 'revoke', id: idOf(world, 'jwt') });
  await world.rotate();
  await world.check();
  const left = world.state.authorities.filter(({ id }) => leaked.includes(id));
  assert.deepEqual(left, []);
});
