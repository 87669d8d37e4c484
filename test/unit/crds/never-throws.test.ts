// Whatever an object holds, reading it gives a value or errors, never both and never an exception.

import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import * as fc from 'fast-check';
import { CodedError } from '../../../src/base/errors.ts';
import { parseClusterFederatedTrustDomain } from '../../../src/crds/cluster-federated-trust-domain.ts';
import { parseClusterSpiffeId } from '../../../src/crds/cluster-spiffe-id-policy.ts';
import { parseClusterStaticEntry } from '../../../src/crds/cluster-static-entry.ts';
import { parseIdentityRestriction } from '../../../src/crds/identity-restriction-policy.ts';
import { parseLabelSelector } from '../../../src/crds/label-selector.ts';
import type { JsonObject, JsonValue } from '../../../src/template/json-value.ts';
import { ACCEPTED } from './manifest-fixtures.ts';

const PARSERS = {
  ClusterSPIFFEID: (object: JsonValue) => parseClusterSpiffeId(object),
  ClusterStaticEntry: parseClusterStaticEntry,
  ClusterFederatedTrustDomain: parseClusterFederatedTrustDomain,
  IdentityRestriction: parseIdentityRestriction,
} as const;

const json = fc.jsonValue() as fc.Arbitrary<JsonValue>;
const value = fc.oneof(json, fc.constantFrom<JsonValue>('', '-1h', '{{', '{{ .PodMeta }}', 'a:b'));

/** One of the accepted fixtures with one field of its spec replaced, or with one more. */
const damaged = fc
  .tuple(
    fc.constantFrom(...ACCEPTED),
    fc.oneof(fc.nat(20), fc.constantFrom('constructor', 'x')),
    value,
  )
  .map(([[, object], at, replacement]) => {
    const spec = object['spec'] as JsonObject;
    const key = typeof at === 'string' ? at : (Object.keys(spec)[at] ?? 'metadata');
    return { ...object, spec: { ...spec, [key]: replacement } };
  });

suite('nothing throws', () => {
  for (const [kind, parse] of Object.entries(PARSERS)) {
    test(`reading a ${kind}`, () => {
      fc.assert(
        fc.property(fc.oneof(json, damaged), (object) => {
          const { value, errors } = parse(object);
          assert.equal(value === undefined, errors.length > 0);
        }),
        { numRuns: 300 },
      );
    });
  }

  test('but `invalid-argument`, for a label selector', () => {
    const selector = fc.record(
      {
        matchLabels: fc.oneof(json, fc.dictionary(fc.string(), fc.string())),
        matchExpressions: fc.oneof(
          json,
          fc.array(
            fc.record(
              { key: value, operator: fc.constantFrom('In', 'Exists', 'Gt'), values: json },
              { requiredKeys: [] },
            ),
          ),
        ),
      },
      { requiredKeys: [] },
    );
    fc.assert(
      fc.property(fc.oneof(json, selector), (raw) => {
        try {
          parseLabelSelector(raw, 's');
        } catch (thrown) {
          assert.ok(thrown instanceof CodedError);
          assert.equal(thrown.code, 'invalid-argument');
        }
      }),
    );
  });
});
