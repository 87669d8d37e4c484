// Objects of our kinds that are accepted, and that nothing at all makes validation fail.

import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import * as fc from 'fast-check';
import type { JsonObject, JsonValue } from '../../../src/template/json-value.ts';
import { validateCustomResource } from '../../../src/webhook/validate-custom-resource.ts';
import {
  ACCEPTED,
  makeFederated,
  makePolicy,
  makeRestriction,
  makeStaticEntry,
} from '../crds/manifest-fixtures.ts';
import { create, id, settings, TD } from './custom-resource-fixtures.ts';

suite('accepted', () => {
  for (const [name, object] of ACCEPTED) {
    test(name, () => {
      assert.deepEqual(
        { ...create(object), warnings: [] },
        { allowed: true, message: '', warnings: [] },
      );
    });
  }
});

test('profile strict refuses a trust level that pods choose by a label', () => {
  const object = makePolicy({
    podSelector: { matchExpressions: [{ key: 'app', operator: 'DoesNotExist' }] },
    jwtClaimTemplates: { agent_trust_level: 'high' },
  });
  const request = { operation: 'CREATE', kind: 'ClusterSPIFFEID', object, oldObject: undefined };
  const strict = validateCustomResource(request, { ...settings, profile: 'strict' });
  assert.equal(strict.allowed, false);
  assert.match(strict.message, /^spec\.podSelector: .*select by namespaceSelector/);
});

suite('accepted without a word', () => {
  const rows: readonly [string, JsonObject][] = [
    ['labels read through a variable', id(`${TD}/{{ $l := .PodMeta.Labels }}{{ $l.zone }}`)],
    ['labels read as dot', id(`${TD}/{{ with .PodMeta.Labels }}{{ .zone }}{{ end }}`)],
    ['a name that may begin like a reserved one', id(`${TD}/spire{{ .PodMeta.Name }}`)],
    ['a getter', id(`${TD}/{{ .PodMeta.GetName }}/{{ .PodMeta.CreationTimestamp.Unix }}`)],
    ['A6 a null ttl', makePolicy({ ttl: null })],
    [
      'a trust level of all pods of some namespaces',
      makePolicy({
        podSelector: {},
        namespaceSelector: { matchLabels: { agents: 'yes' } },
        jwtClaimTemplates: { agent_trust_level: 'high' },
      }),
    ],
    [
      'other claims of pods with a label',
      makePolicy({
        podSelector: { matchLabels: { app: 'dispatcher' } },
        jwtClaimTemplates: { agent_owner: 'team' },
      }),
    ],
  ];
  for (const [name, object] of rows) {
    test(name, () => {
      assert.deepEqual(create(object), { allowed: true, message: '', warnings: [] });
    });
  }
});

test('thousands of templates are refused, not tried', () => {
  const workloadSelectorTemplates = Array.from(
    { length: 20_000 },
    () => 'a:{{ range 4500 }}a{{ end }}',
  );
  const { message } = create(makePolicy({ workloadSelectorTemplates }));
  assert.equal(message, 'spec.workloadSelectorTemplates: must have at most 64 items');
});

suite('what is stored already', () => {
  const bad = id('hello');
  const kind = 'ClusterSPIFFEID';
  const update = (object: JsonObject, oldObject: JsonObject) =>
    validateCustomResource({ operation: 'UPDATE', kind, object, oldObject }, settings).allowed;

  test('an update of metadata is not refused', () => {
    assert.equal(update({ ...bad, metadata: { name: 'policy', labels: {} } }, bad), true);
  });
  test('an update of the spec is', () => {
    assert.equal(update(bad, makePolicy({})), false);
  });
  test('a deletion is not', () => {
    const request = { operation: 'DELETE', kind, object: undefined, oldObject: bad };
    assert.equal(validateCustomResource(request, settings).allowed, true);
  });
  test('a kind of somebody else is refused', () => {
    const request = { operation: 'CREATE', kind: 'constructor', object: bad, oldObject: undefined };
    assert.equal(validateCustomResource(request, settings).allowed, false);
  });
});

suite('nothing throws', () => {
  const json = fc.jsonValue() as fc.Arbitrary<JsonValue>;
  const fields = Object.keys({
    ...(makePolicy({ ttl: '', podSelector: {}, jwtClaimTemplates: {} })['spec'] as JsonObject),
    ...(makeStaticEntry({})['spec'] as JsonObject),
    ...(makeFederated({ trustDomainBundle: '' })['spec'] as JsonObject),
    ...(makeRestriction({})['spec'] as JsonObject),
  });
  const text = fc.oneof(
    fc.string(),
    fc.constantFrom('{{', '{{ .PodMeta.Name }}', '-1s', 'spiffe://'),
  );
  const spec = fc.dictionary(fc.constantFrom(...fields), fc.oneof(json, text, fc.array(text)));
  const object = fc.oneof(json, fc.record({ metadata: fc.record({ name: text }), spec }));
  const kinds = ['ClusterSPIFFEID', 'ClusterStaticEntry', 'ClusterFederatedTrustDomain'];
  const kind = fc.constantFrom(...kinds, 'IdentityRestriction', 'Pod');

  test('for any object', () => {
    fc.assert(
      fc.property(kind, object, json, (kind, object, oldObject) => {
        const request = { operation: 'UPDATE', kind, object, oldObject };
        const made = validateCustomResource(request, settings);
        assert.equal(made.allowed, made.message === '');
      }),
      { numRuns: 500 },
    );
  });
});
