// What the plan says over time: the first authorities, rotations, restored states.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { activeOf } from '../../../../src/authorities/authority-state.ts';
import {
  DEFAULT_SETTINGS,
  MAX_JWT_SVID_TTL,
} from '../../../../src/issuer/authority/authority-plan.ts';
import { JWT_KEYS_MAX_AGE_SECONDS } from '../../../../src/spiffe/jwt-svid/oidc-documents.ts';
import { DAY, empty, HOUR, KINDS, START, settle } from './plan-model.ts';

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
