// Whatever changes, in whatever order: the index answers as if it had derived everything anew.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { parseIdentityRestriction } from '../../../src/crds/identity-restriction-policy.ts';
import { type IdentityKind, IdentityView } from '../../../src/identity/identity-view.ts';
import { objectIn, textIn } from '../../../src/identity/objects.ts';
import { policyFailures, policyStats } from '../../../src/identity/policy-report.ts';
import type { JsonObject } from '../../../src/template/json-value.ts';
import { one } from './arbitrary-objects.ts';
import { change, NOW } from './fixtures.ts';
import { type Answer, deriveFromScratch, plain, type World } from './from-scratch.ts';
import { GIVEN, SETTINGS, type Step, steps } from './incremental-steps.ts';

const RUNS = 1000;

test('A13, R3, R4: after every change the answers equal a derivation from scratch', () => {
  fc.assert(
    fc.property(steps, one(...SETTINGS), fc.nat(), (random, settings, seed) => {
      const view = new IdentityView(settings);
      const objects = new Map<IdentityKind, Map<string, JsonObject>>();
      let before: Answer['decisions'] = new Map();
      let now = NOW;
      for (const step of [...GIVEN, ...random]) {
        now += step.seconds * 1000;
        const done = change(step.kind, step.object, step.isGone);
        view.apply(done);
        remember(objects, step);
        const expected = deriveFromScratch({ settings, objects }, now);
        const changed = view.takeChanged(now);
        assertSame(answersOf(view, uidsOf(objects), now), expected);
        for (const uid of new Set([...before.keys(), ...expected.decisions.keys()])) {
          if (before.get(uid) === expected.decisions.get(uid)) continue;
          assert.ok(changed.has(uid), `${uid} changed and nobody is told`);
        }
        before = expected.decisions;
      }
      const again = new IdentityView(settings);
      for (const done of shuffled(objects, seed)) again.apply(done);
      assertSame(answersOf(again, uidsOf(objects), now), answersOf(view, uidsOf(objects), now));
    }),
    { numRuns: RUNS },
  );
});

function remember(objects: Map<IdentityKind, Map<string, JsonObject>>, step: Step): void {
  const { kind, object, isGone } = step;
  const { namespace, name } = change(kind, object);
  const ofKind = objects.get(kind) ?? new Map<string, JsonObject>();
  objects.set(kind, ofKind);
  // An edit of a restriction that does not parse leaves the last one in force.
  const isBroken =
    kind === 'IdentityRestriction' && parseIdentityRestriction(object).value === undefined;
  if (isGone) ofKind.delete(`${namespace}/${name}`);
  else if (!isBroken) ofKind.set(`${namespace}/${name}`, object);
}

function uidsOf(objects: World['objects']): readonly string[] {
  return [...(objects.get('Pod')?.values() ?? [])].map((pod) =>
    textIn(objectIn(pod, 'metadata'), 'uid'),
  );
}

function answersOf(view: IdentityView, uids: readonly string[], now: number): Answer {
  const slots = [...view.index.matcher.slots].filter(({ policy }) => policy.entry === undefined);
  return {
    decisions: new Map(uids.map((uid) => [uid, plain(view.decision(uid, now) ?? {})])),
    stats: new Map(slots.map((slot) => [slot.policy.name, policyStats(view.index, slot)])),
    failures: new Map(
      slots.map((slot) => [
        slot.policy.name,
        policyFailures(view.index, slot)
          .map(({ namespace, pod, reason }) => `${namespace}/${pod}: ${reason}`)
          .toSorted(),
      ]),
    ),
  };
}

function assertSame(actual: Answer, expected: Answer): void {
  assert.deepEqual(sorted(actual.decisions), sorted(expected.decisions));
  assert.deepEqual(sorted(actual.stats), sorted(expected.stats));
  assert.deepEqual(sorted(actual.failures), sorted(expected.failures));
}

function sorted<T>(map: ReadonlyMap<string, T>): readonly (readonly [string, T])[] {
  return [...map].toSorted(([a], [b]) => (a < b ? -1 : 1));
}

function shuffled(objects: World['objects'], seed: number) {
  const changes = [...objects].flatMap(([kind, ofKind]) =>
    [...ofKind.values()].map((object) => change(kind, object)),
  );
  const rank = (index: number) => ((index + 1) * 2654435761 + seed * 40503) % 1009;
  return changes
    .map((done, index) => ({ done, rank: rank(index) }))
    .toSorted((a, b) => a.rank - b.rank)
    .map(({ done }) => done);
}
