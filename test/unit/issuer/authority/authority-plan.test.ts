// Two replicas, crashes, clock steps, in every order to depth 8: the executor of a step is modelled
// as its atomic store operations, the plan under test is the real one.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  type Authority,
  type AuthorityState,
  activeOf,
  emptyState,
  isInBundle,
} from '../../../../src/authorities/authority-state.ts';
import {
  DEFAULT_SETTINGS,
  MAX_JWT_SVID_TTL,
  nextStep,
} from '../../../../src/issuer/authority/authority-plan.ts';
import { type AuthorityStep, applyStep } from '../../../../src/issuer/authority/authority-steps.ts';
import { JWT_KEYS_MAX_AGE_SECONDS } from '../../../../src/spiffe/jwt-svid/oidc-documents.ts';
import type { TrustDomain } from '../../../../src/spiffe/spiffe-id.ts';

const HOUR = 3600;
const DAY = 24 * HOUR;
const START = 1_800_000_000;
const KINDS = ['root', 'serving', 'intermediate', 'jwt'] as const;

type Local =
  | { at: 'idle' }
  | { at: 'planned'; base: number; now: number; step: AuthorityStep; id: string }
  | { at: 'cleaning'; base: number; orphans: readonly string[] }
  | { at: 'storing'; id: string };
type World = {
  now: number;
  state: AuthorityState;
  stateVersion: number;
  keys: ReadonlySet<string>;
  keysVersion: number;
  made: number;
  replicas: readonly [Local, Local];
};

const empty: World = {
  now: START,
  state: emptyState('example.org' as TrustDomain),
  stateVersion: 0,
  keys: new Set(),
  keysVersion: 0,
  made: 0,
  replicas: [{ at: 'idle' }, { at: 'idle' }],
};

function makeAuthority(
  id: string,
  step: AuthorityStep & { kind: 'create' },
  now: number,
): Authority {
  const backdate = step.authority === 'intermediate' ? 60 : DAY;
  return {
    id,
    kind: step.authority,
    phase: 'prepared',
    notBefore: now - backdate,
    notAfter: now + DEFAULT_SETTINGS[step.authority].lifetime,
    preparedAt: now,
    ...(step.parent === undefined ? {} : { parent: step.parent }),
  };
}

/** One atomic operation of a replica: read and plan, write the state, write a key, or clean up. */
function advance(world: World, replica: 0 | 1): World {
  const local = world.replicas[replica];
  const become = (next: Local, change: Partial<World> = {}): World => {
    const replicas: [Local, Local] = [...world.replicas];
    replicas[replica] = next;
    return { ...world, ...change, replicas };
  };
  switch (local.at) {
    case 'idle': {
      const context = { now: world.now, settings: DEFAULT_SETTINGS };
      const step = nextStep(world.state, world.keys, context);
      if (step !== undefined) {
        const id = `k${world.made}`;
        const planned: Local = {
          at: 'planned',
          base: world.stateVersion,
          now: world.now,
          step,
          id,
        };
        return become(planned, { made: world.made + 1 });
      }
      const known = new Set(world.state.authorities.map((authority) => authority.id));
      const orphans = [...world.keys].filter((id) => !known.has(id));
      return orphans.length === 0
        ? world
        : become({ at: 'cleaning', base: world.keysVersion, orphans });
    }
    case 'planned': {
      if (local.base !== world.stateVersion) return become({ at: 'idle' });
      // A step is executed as of the time it was planned for, however late it is written.
      const { step, id, now } = local;
      const made = step.kind === 'create' ? makeAuthority(id, step, now) : undefined;
      const state = applyStep(world.state, step, made ? { now, made } : { now });
      checkTransition({ ...world, now }, state, step);
      const next: Local = step.kind === 'create' ? { at: 'storing', id } : { at: 'idle' };
      return become(next, { state, stateVersion: world.stateVersion + 1 });
    }
    case 'storing':
      return become(
        { at: 'idle' },
        { keys: new Set([...world.keys, local.id]), keysVersion: world.keysVersion + 1 },
      );
    case 'cleaning': {
      if (local.base !== world.keysVersion) return become({ at: 'idle' });
      const keys = new Set([...world.keys].filter((id) => !local.orphans.includes(id)));
      return become({ at: 'idle' }, { keys, keysVersion: world.keysVersion + 1 });
    }
  }
}

function bundleOf(state: AuthorityState): string {
  return state.authorities
    .filter(isInBundle)
    .map((authority) => authority.id)
    .toSorted()
    .join();
}

function checkTransition(world: World, next: AuthorityState, step: AuthorityStep): void {
  const before = world.state;
  // It may rise without: with what signs, so that an older state is known for one.
  if (bundleOf(before) === bundleOf(next)) assert.ok(next.sequence >= before.sequence);
  else assert.ok(next.sequence > before.sequence, 'TB-03: the sequence rises with the content');
  for (const kind of KINDS) {
    if (activeOf(before, kind))
      assert.ok(activeOf(next, kind), `${kind} lost its active authority`);
  }
  if (step.kind === 'activate') {
    const authority = before.authorities.find(({ id }) => id === step.id);
    assert.ok(authority !== undefined && world.keys.has(authority.id), 'activated without a key');
    const active = activeOf(before, authority.kind);
    const couldSign =
      active !== undefined &&
      active.parent === authority.parent &&
      active.notBefore <= world.now + 60 &&
      world.now < active.notAfter;
    const waited = world.now - (authority.publishedAt ?? Number.NaN);
    assert.ok(
      !couldSign || waited >= DEFAULT_SETTINGS[authority.kind].prepublish,
      `FE-01: ${authority.kind} activated ${waited} s after it was published`,
    );
  }
  if (step.kind === 'remove') {
    const authority = before.authorities.find(({ id }) => id === step.id);
    assert.ok(authority !== undefined && authority.phase !== 'active');
    if (authority.phase === 'retired') {
      const maxTtl = authority.kind === 'jwt' ? HOUR : DAY;
      const lastExpiry = (authority.retiredAt ?? Number.NaN) + maxTtl;
      assert.ok(world.now > lastExpiry, 'FE-03: removed while something it signed may be valid');
    }
  }
}

function checkWorld({ state, keys, replicas }: World): void {
  for (const kind of KINDS) {
    const active = state.authorities.filter(
      (authority) => authority.kind === kind && authority.phase === 'active',
    );
    assert.ok(active.length <= 1, `two active ${kind} authorities`);
  }
  const storing = new Set(replicas.map((local) => (local.at === 'storing' ? local.id : '')));
  for (const { id, phase } of state.authorities) {
    assert.ok(keys.has(id) || phase === 'prepared', `${phase} authority ${id} has no key`);
    if (phase === 'prepared' && storing.has(id)) assert.ok(!keys.has(id));
  }
}

/** One replica alone until nothing is due. */
function settle(world: World): World {
  let at: World = { ...world, replicas: [{ at: 'idle' }, { at: 'idle' }] };
  for (let steps = 0; steps < 60; steps += 1) {
    const next = advance(at, 0);
    if (next === at) return at;
    at = next;
    checkWorld(at);
  }
  assert.fail('does not come to rest');
}

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

test('the first authorities of every kind sign at once, and a standby root is published', () => {
  const { state, now } = settle(empty);
  assert.equal(now, START);
  for (const kind of KINDS) assert.ok(activeOf(state, kind));
  const phases = state.authorities.filter(({ kind }) => kind === 'root').map(({ phase }) => phase);
  assert.deepEqual(phases.toSorted(), ['active', 'published']);
});

test('verifiers that keep the keys as long as they may have each before it signs, and as long as it may be met', () => {
  const { jwt } = DEFAULT_SETTINGS;
  assert.ok(jwt.prepublish >= 2 * JWT_KEYS_MAX_AGE_SECONDS);
  assert.ok(jwt.retain >= MAX_JWT_SVID_TTL + JWT_KEYS_MAX_AGE_SECONDS);
  let world = settle(empty);
  const seen = new Map<string, { since: number; until: number; signed?: [number, number] }>();
  const step = 300;
  for (let now = START; now < START + 30 * DAY; now += step) {
    world = settle({ ...world, now });
    for (const { id, kind, phase } of world.state.authorities) {
      if (kind !== 'jwt' || phase === 'prepared') continue;
      const key = seen.get(id) ?? { since: now, until: now };
      key.until = now;
      if (phase === 'active') key.signed = [key.signed?.[0] ?? now, now];
      seen.set(id, key);
    }
  }
  const rotated = [...seen.values()].filter(({ since }) => since > START);
  assert.ok(rotated.length >= 4);
  for (const { since, signed } of rotated) {
    if (signed !== undefined) assert.ok(signed[0] - since >= 2 * JWT_KEYS_MAX_AGE_SECONDS);
  }
  const gone = [...seen.values()].filter(({ until }) => until < START + 30 * DAY - step);
  assert.ok(gone.length >= 2);
  for (const { until, signed } of gone) {
    const last = (signed?.[1] ?? until) + MAX_JWT_SVID_TTL;
    assert.ok(until - last >= JWT_KEYS_MAX_AGE_SECONDS - step);
  }
});

test('over a year of hourly looks every rotation happens, and the bundle stays small', () => {
  let world = settle(empty);
  const activated = new Map<string, Set<string>>(KINDS.map((kind) => [kind, new Set()]));
  for (let hour = 0; hour < 365 * 24; hour += 1) {
    world = settle({ ...world, now: world.now + HOUR });
    for (const kind of KINDS) activated.get(kind)?.add(activeOf(world.state, kind)?.id ?? '');
    assert.ok(world.state.authorities.length <= 10);
  }
  assert.equal(activated.get('root')?.size, 1);
  assert.ok((activated.get('intermediate')?.size ?? 0) >= 364);
  const jwt = activated.get('jwt')?.size ?? 0;
  assert.ok(jwt >= 51 && jwt <= 54, `${jwt} JWT authorities in a year`);
});

test('TB-03: a restored older state still moves the sequence past what was seen', () => {
  const steady = settle(empty);
  const later = settle({ ...steady, now: steady.now + 7 * DAY });
  const restored = settle({
    ...later,
    state: steady.state,
    keys: steady.keys,
    now: later.now + 60,
  });
  assert.ok(restored.state.sequence > later.state.sequence);
});
