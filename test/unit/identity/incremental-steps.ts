// Arbitrary changes of everything that identities derive from, one object a step.

import * as fc from 'fast-check';
import type { IdentityKind } from '../../../src/identity/identity-view.ts';
import type { IdentitySettings } from '../../../src/identity/settings.ts';
import type { JsonObject } from '../../../src/template/json-value.ts';
import {
  json,
  mostly,
  namespaces,
  nodes,
  one,
  pods,
  policies,
  record,
  restrictions,
  services,
  slices,
  staticEntries,
} from './arbitrary-objects.ts';
import { SA_TEMPLATE, settings } from './fixtures.ts';

const MAX_STEPS = 40;

export type Step = {
  readonly kind: IdentityKind;
  readonly object: JsonObject;
  readonly isGone: boolean;
  readonly seconds: number;
};

const step = (kind: IdentityKind, objects: fc.Arbitrary<JsonObject>, weight: number) => ({
  weight,
  arbitrary: record<Step>({
    kind: fc.constant(kind),
    object: objects,
    isGone: mostly(false, true),
    seconds: one(0, 1, 7),
  }),
});

export const steps = fc.array(
  fc.oneof(
    step('Pod', pods, 6),
    step('ClusterSPIFFEID', policies, 6),
    step('ClusterStaticEntry', staticEntries, 4),
    step('Namespace', namespaces, 3),
    step('Node', nodes, 2),
    step('Service', services, 2),
    step('EndpointSlice', slices, 2),
    step('IdentityRestriction', restrictions, 2),
  ),
  { minLength: 15, maxLength: MAX_STEPS, size: 'max' },
);

/** Objects that the world nearly always has; a random step may still change or remove them. */
export const GIVEN: readonly Step[] = (
  [
    ['Namespace', { name: 'a', labels: { env: 'x' } }],
    ['Namespace', { name: 'b' }],
    ['Node', { name: 'n1', uid: 'u0', labels: { zone: 'z0' } }],
    ['Pod', { namespace: 'a', name: 'p0', uid: 'a/p0#0', labels: { app: 'web', tier: 'x' } }],
    ['Pod', { namespace: 'a', name: 'p1', uid: 'a/p1#0', labels: { app: 'web', tier: 'y' } }],
    ['Pod', { namespace: 'b', name: 'p0', uid: 'b/p0#0', labels: { app: 'db' } }],
    ['ClusterSPIFFEID', { name: 'q0', uid: 'q0#0' }],
  ] as const
).map(([kind, metadata]) => ({
  kind,
  object: json({
    metadata,
    spec: { spiffeIDTemplate: SA_TEMPLATE, nodeName: 'n1', serviceAccountName: 's1' },
  }),
  isGone: false,
  seconds: 0,
}));

export const SETTINGS: readonly IdentitySettings[] = (
  ['drop-in', 'drop-in', 'strict'] as const
).map((profile) => settings({ profile, classNames: ['mine'], ignoreNamespaces: ['nore'] }));
