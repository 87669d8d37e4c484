// JSON that is nothing like a pod, and JSON that is nearly one: the names and words that admission
// looks for, at any depth, in any shape.

import * as fc from 'fast-check';
import type { JsonObject, JsonValue } from '../../../src/template/json-value.ts';
import { driverVolume, env, mount } from './pod-fixtures.ts';

const NAMES = [
  'metadata',
  'labels',
  'annotations',
  'spec',
  'volumes',
  'initContainers',
  'containers',
  'ephemeralContainers',
  'volumeMounts',
  'env',
  'csi',
  'driver',
  'readOnly',
  'volumeAttributes',
  'nodePublishSecretRef',
  'name',
  'mountPath',
  'subPath',
  'os',
  'runtimeClassName',
  'signet.dev/inject',
  'signet.dev/injected',
  'signet.dev/inject-ephemeral',
  '__proto__',
  'constructor',
] as const;

const WORDS = ['true', 'csi.spiffe.io', 'spiffe-workload-api', '/spiffe-workload-api', 'kata'];

const scalar = fc.oneof(
  fc.constantFrom(...WORDS),
  fc.constantFrom(null, true, false, 0, -1, 1.5),
  fc.string({ unit: 'binary', maxLength: 5 }),
);

const { nearly, object } = fc.letrec<{ nearly: JsonValue; object: JsonObject }>((tie) => ({
  nearly: fc.oneof(
    { maxDepth: 5 },
    { arbitrary: scalar, weight: 2 },
    { arbitrary: fc.array(tie('nearly'), { maxLength: 3 }), weight: 1 },
    { arbitrary: tie('object'), weight: 3 },
  ),
  object: fc
    .array(fc.tuple(fc.constantFrom(...NAMES), tie('nearly')), { maxLength: 4 })
    .map((entries) => Object.fromEntries(entries)),
}));

/** Lists of objects, some of them just what injection adds. */
const objects = (known: JsonObject) =>
  fc.oneof(
    { arbitrary: fc.array(fc.oneof(object, fc.constant(known)), { maxLength: 3 }), weight: 5 },
    { arbitrary: nearly, weight: 1 },
  );
const container = fc.record(
  { name: nearly, volumeMounts: objects(mount), env: objects(env) },
  { requiredKeys: [] },
);
const containers = fc.oneof(
  { arbitrary: fc.array(container, { maxLength: 3 }), weight: 5 },
  { arbitrary: nearly, weight: 1 },
);

/** Any JSON; mostly with the outline of a pod. */
export const arbitraryJson: fc.Arbitrary<JsonValue> = fc.oneof(
  { arbitrary: fc.jsonValue() as fc.Arbitrary<JsonValue>, weight: 1 },
  { arbitrary: nearly, weight: 1 },
  {
    arbitrary: fc.record({
      metadata: fc.record({
        labels: fc.oneof(object, fc.constant({ 'signet.dev/inject': 'true' })),
        annotations: fc.oneof(object, fc.constant(null)),
      }),
      spec: fc.record({
        volumes: objects(driverVolume),
        containers,
        ephemeralContainers: containers,
      }),
    }),
    weight: 4,
  },
);
