// What derivation gets of a ClusterSPIFFEID, above all of one that is stored already: upstream's
// admission lets in more than ours, and what it serves stays served.

import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { parseClusterSpiffeId } from '../../../src/crds/cluster-spiffe-id-policy.ts';
import type { JsonObject, JsonValue } from '../../../src/template/json-value.ts';
import { makePolicy } from './manifest-fixtures.ts';

const parse = (spec: JsonObject) => parseClusterSpiffeId(makePolicy(spec));

function parsed(spec: JsonObject) {
  const { value, errors } = parse(spec);
  assert.ok(value, errors.join());
  return value;
}

suite('every field', () => {
  const policy = parsed({
    className: 'c',
    spiffeIDTemplate: 'spiffe://example.org/{{ .PodMeta.Name }}',
    podSelector: { matchLabels: { app: 'web' } },
    namespaceSelector: {},
    dnsNameTemplates: ['a', '{{ .PodMeta.Name }}'],
    workloadSelectorTemplates: ['k8s:ns:shop'],
    ttl: '1h30m',
    jwtTtl: '1999ms',
    federatesWith: ['a.test'],
    autoPopulateDNSNames: true,
    fallback: true,
    hint: 'h',
    admin: true,
    downstream: true,
    priority: -3,
    jwtClaimTemplates: { agent_b: '{{ .PodMeta.UID }}' },
    commonNameTemplate: 'cn',
    jwtIncludeJTI: true,
  });
  const names = (templates: readonly { name: string; source: string }[]) =>
    templates.map(({ name, source }) => [name, source]);

  test('A1 A4 A5 templates, each named by its field', () => {
    assert.equal(policy.spiffeIdTemplate.source, 'spiffe://example.org/{{ .PodMeta.Name }}');
    assert.deepEqual(names(policy.dnsNameTemplates), [
      ['dnsNameTemplates[0]', 'a'],
      ['dnsNameTemplates[1]', '{{ .PodMeta.Name }}'],
    ]);
    assert.deepEqual(names(policy.workloadSelectorTemplates), [
      ['workloadSelectorTemplates[0]', 'k8s:ns:shop'],
    ]);
    assert.equal(policy.commonNameTemplate?.source, 'cn');
    assert.deepEqual(
      [...policy.jwtClaimTemplates].map(([name, { source }]) => [name, source]),
      [['agent_b', '{{ .PodMeta.UID }}']],
    );
  });
  test('A2 A3 selectors', () => {
    assert.deepEqual(policy.podSelector?.requirements, [
      { key: 'app', operator: 'In', values: ['web'] },
    ]);
    assert.deepEqual(policy.namespaceSelector, { requirements: [] });
  });
  test('A6–A14 the rest', () => {
    const { className, x509TtlSeconds, jwtTtlSeconds, federatesWith, hint, priority } = policy;
    assert.deepEqual(
      { className, x509TtlSeconds, jwtTtlSeconds, federatesWith, hint, priority },
      {
        className: 'c',
        x509TtlSeconds: 5400,
        jwtTtlSeconds: 1,
        federatesWith: ['a.test'],
        hint: 'h',
        priority: -3,
      },
    );
    const { autoPopulateDnsNames, isFallback, isAdmin, isDownstream, jwtIncludeJti } = policy;
    assert.deepEqual(
      [autoPopulateDnsNames, isFallback, isAdmin, isDownstream, jwtIncludeJti],
      [true, true, true, true, true],
    );
  });
  test('nothing but a template: all pods, all defaults', () => {
    const { podSelector, namespaceSelector, x509TtlSeconds, commonNameTemplate, priority } = parsed(
      {},
    );
    assert.deepEqual(
      [podSelector, namespaceSelector, x509TtlSeconds, commonNameTemplate, priority],
      [undefined, undefined, 0, undefined, 0],
    );
  });
  test('a null is a field that is not there', () => {
    assert.equal(parsed({ podSelector: null, ttl: null }).podSelector, undefined);
  });
});

suite('metadata', () => {
  const withMetadata = (metadata: JsonObject) =>
    parseClusterSpiffeId({ ...makePolicy({}), metadata });
  test('as the API server has it', () => {
    const { value } = withMetadata({
      name: 'n',
      uid: 'u',
      generation: 3,
      creationTimestamp: '2026-01-31T12:00:00Z',
      deletionTimestamp: '2026-01-31T12:00:01Z',
    });
    const { name, uid, generation, creationTimestamp, isDeleting } = value ?? {};
    assert.deepEqual(
      [name, uid, generation, creationTimestamp, isDeleting],
      ['n', 'u', 3, Date.UTC(2026, 0, 31, 12), true],
    );
  });
  test('of a file: the name stands for the UID', () => {
    assert.equal(withMetadata({ name: 'n' }).value?.uid, 'n');
  });
  test('without a name there is nothing to go by', () => {
    assert.deepEqual(withMetadata({}).errors, ['metadata.name: must be set']);
  });
});

suite('stored objects that our admission refuses are read', () => {
  test('A6 a negative ttl keeps its sign, for the entry to be refused', () => {
    assert.equal(parsed({ ttl: '-1h' }).x509TtlSeconds, -3600);
  });
  test('A7 less than a second is the default', () => {
    assert.equal(parsed({ jwtTtl: '500ms' }).jwtTtlSeconds, 0);
  });
  test('A14 a long hint', () => {
    assert.equal(parsed({ hint: 'x'.repeat(2000) }).hint.length, 2000);
  });
  for (const source of ['hello', 'spiffe://other.test/x', 'spiffe://example.org/spire/agent']) {
    test(`A1 a literal that no pod may have: ${source}`, () => {
      assert.equal(parsed({ spiffeIDTemplate: source }).spiffeIdTemplate.source, source);
    });
  }
  test('A4 A5 a DNS name and a selector that are none', () => {
    const policy = parsed({ dnsNameTemplates: ['a b', ''], workloadSelectorTemplates: ['k8s'] });
    assert.equal(policy.dnsNameTemplates.length, 2);
  });
  test('A8 a trust domain by its name, by its ID and by an ID below it', () => {
    const federatesWith = ['a.test', 'spiffe://a.test', 'b.test', 'spiffe://a.test/with/path'];
    assert.deepEqual(parsed({ federatesWith }).federatesWith, ['a.test', 'b.test']);
  });
  test('a field that is not known', () => {
    assert.equal(parsed({ workloadSelector: 1 }).name, 'policy');
  });
});

suite('not usable', () => {
  const rows: readonly [string, JsonObject, readonly string[]][] = [
    ['A1 no template', { spiffeIDTemplate: null }, ['spec.spiffeIDTemplate: must be set']],
    ['A1 a number', { spiffeIDTemplate: 5 }, ['spec.spiffeIDTemplate: must be a string']],
    ['A6 an empty ttl', { ttl: '' }, ['spec.ttl: "" is not a duration such as 1h30m or 90s']],
    ['A6 a number', { ttl: 60 }, ['spec.ttl: must be a string']],
    [
      'several mistakes at once',
      { fallback: 'yes', federatesWith: 'a.test', priority: '1' },
      [
        'spec.federatesWith: must be a list of strings',
        'spec.fallback: must be true or false',
        'spec.priority: must be a whole number',
      ],
    ],
    [
      'A2 In without values',
      { podSelector: { matchExpressions: [{ key: 'a', operator: 'In', values: [] }] } },
      ['spec.podSelector.matchExpressions[0].values: must not be empty for operator In'],
    ],
    [
      'more templates than any pod could pay for',
      { dnsNameTemplates: Array.from({ length: 65 }, () => 'a') },
      ['spec.dnsNameTemplates: must have at most 64 items'],
    ],
    [
      'more claims than a token should carry',
      {
        jwtClaimTemplates: Object.fromEntries(
          Array.from({ length: 33 }, (_, index) => [`agent_${index}`, 'x']),
        ),
      },
      ['spec.jwtClaimTemplates: must have at most 32 entries'],
    ],
  ];
  for (const [name, spec, errors] of rows) {
    test(name, () => {
      assert.deepEqual(parse(spec), { value: undefined, errors, warnings: [] });
    });
  }
  test('no object', () => {
    for (const object of [undefined, null, [], 'x'] as (JsonValue | undefined)[]) {
      assert.deepEqual(parseClusterSpiffeId(object).errors, ['not an object']);
    }
  });
  test('what is said of it is short, however long it is', () => {
    const long = 'a'.repeat(1_000_000);
    const { errors } = parse({
      podSelector: { matchLabels: { [long]: '' } },
      ttl: long,
      federatesWith: Array.from({ length: 1000 }, () => 'A b'),
    });
    assert.equal(errors.length, 50);
    assert.ok(errors.every((error) => error.length <= 513));
  });
});
