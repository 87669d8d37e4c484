// Two replicas, crashes, clock steps, in every order to depth 8: the executor of a step is modelled
// as its atomic store operations, the plan under test is the real one.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { activeOf } from '../../../../src/authorities/authority-state.ts';
import {
  advance,
  checkWorld,
  DAY,
  empty,
  HOUR,
  KINDS,
  type Local,
  settle,
  type World,
} from './plan-model.ts';

const CLOCK_STEPS = [2 * HOUR, 25 * HOUR, 8 * DAY, -3 * HOUR];

function successors(world: World): readonly World[] {
  const crash = (replica: 0 | 1): World => {
    const replicas: [Local, Local] = [...world.replicas];
    replicas[replica] = { at: 'idle' };
    return { ...world, replicas };
  };
  return [
    advance(world, 0),
    advance(world, 1),
    ...(world.replicas[0].at === 'idle' ? [] : [crash(0)]),
    ...(world.replicas[1].at === 'idle' ? [] : [crash(1)]),
    ...CLOCK_STEPS.map((by) => ({ ...world, now: world.now + by })),
  ];
}

// Ids are numbered in order of making, so worlds that differ only in them look the same renamed.
function canonical(world: World): string {
  const names = new Map<string, number>();
  const text = JSON.stringify(
    { ...world, keys: [...world.keys].toSorted(), made: 0 },
    (key, value) =>
      key === 'stateVersion' || key === 'keysVersion' || key === 'sequence'
        ? undefined
        : key === 'base'
          ? value === (world.stateVersion || world.keysVersion)
          : value,
  );
  return text.replace(/"k\d+"/g, (id) => {
    if (!names.has(id)) names.set(id, names.size);
    return `#${names.get(id)}`;
  });
}

function explore(start: World, depth: number): { worlds: number; rested: number } {
  let frontier = [start];
  const seen = new Set([canonical(start)]);
  let rested = 0;
  for (let level = 0; level < depth; level += 1) {
    const next: World[] = [];
    for (const world of frontier) {
      for (const successor of successors(world)) {
        const name = canonical(successor);
        if (seen.has(name)) continue;
        seen.add(name);
        checkWorld(successor);
        next.push(successor);
      }
    }
    frontier = next;
  }
  for (let at = 0; at < frontier.length; at += Math.max(1, Math.floor(frontier.length / 500))) {
    const world = frontier[at];
    if (world === undefined) continue;
    // Whatever was going on, ten minutes and one live replica later all is well.
    const calm = settle({ ...settle(world), now: world.now + 11 * 60 });
    for (const kind of KINDS) assert.ok(activeOf(calm.state, kind), `no active ${kind}`);
    const roots = calm.state.authorities.filter(
      ({ kind, phase }) => kind === 'root' && (phase === 'active' || phase === 'published'),
    );
    assert.ok(roots.length >= 2, 'a standby root is in the bundle');
    rested += 1;
  }
  return { worlds: seen.size, rested };
}

test('from nothing: every order of two replicas, crashes and clock steps to depth 8 is safe', (t) => {
  const { worlds, rested } = explore(empty, 8);
  t.diagnostic(`${worlds} worlds, ${rested} brought to rest`);
  assert.ok(worlds > 1000 && rested > 100);
});

test('FE-01, FE-03: in steady state: every such order to depth 8 is safe', (t) => {
  const { worlds, rested } = explore(settle(empty), 8);
  t.diagnostic(`${worlds} worlds, ${rested} brought to rest`);
  assert.ok(worlds > 1000 && rested > 100);
});

test('in the middle of a JWT key rotation: every such order to depth 8 is safe', (t) => {
  const steady = settle(empty);
  const { worlds } = explore(settle({ ...steady, now: steady.now + 7 * DAY - 30 * 60 }), 8);
  t.diagnostic(`${worlds} worlds`);
  assert.ok(worlds > 1000);
});
