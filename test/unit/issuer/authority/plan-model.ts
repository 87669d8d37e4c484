// What an executor does with a step of the plan, modelled as its atomic store operations.

import assert from 'node:assert/strict';
import {
  type Authority,
  type AuthorityState,
  activeOf,
  emptyState,
  isInBundle,
} from '../../../../src/authorities/authority-state.ts';
import { DEFAULT_SETTINGS, nextStep } from '../../../../src/issuer/authority/authority-plan.ts';
import { type AuthorityStep, applyStep } from '../../../../src/issuer/authority/authority-steps.ts';
import type { TrustDomain } from '../../../../src/spiffe/spiffe-id.ts';

export const HOUR = 3600;
export const DAY = 24 * HOUR;
export const START = 1_800_000_000;
export const KINDS = ['root', 'serving', 'intermediate', 'jwt'] as const;

export type Local =
  | { at: 'idle' }
  | { at: 'planned'; base: number; now: number; step: AuthorityStep; id: string }
  | { at: 'cleaning'; base: number; orphans: readonly string[] }
  | { at: 'storing'; id: string };
export type World = {
  now: number;
  state: AuthorityState;
  stateVersion: number;
  keys: ReadonlySet<string>;
  keysVersion: number;
  made: number;
  replicas: readonly [Local, Local];
};

export const empty: World = {
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
export function advance(world: World, replica: 0 | 1): World {
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

export function checkWorld({ state, keys, replicas }: World): void {
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
export function settle(world: World): World {
  let at: World = { ...world, replicas: [{ at: 'idle' }, { at: 'idle' }] };
  for (let steps = 0; steps < 60; steps += 1) {
    const next = advance(at, 0);
    if (next === at) return at;
    at = next;
    checkWorld(at);
  }
  assert.fail('does not come to rest');
}
