// Objects of our kinds, one rule a row: accepted, warned about, or refused with the field named.

import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import * as fc from 'fast-check';
import { parseTrustDomain } from '../../../src/spiffe/spiffe-id.ts';
import type { JsonObject, JsonValue } from '../../../src/template/json-value.ts';
import { validateCustomResource } from '../../../src/webhook/validate-custom-resource.ts';
import {
  ACCEPTED,
  makeFederated,
  makePolicy,
  makeRestriction,
  makeStaticEntry,
} from '../crds/manifest-fixtures.ts';

const settings = {
  trustDomain: parseTrustDomain('example.org'),
  clusterName: 'test',
  clusterDomain: 'cluster.local',
};

function create(object: JsonObject) {
  const { kind } = object;
  if (typeof kind !== 'string') throw new Error('a fixture without a kind');
  return validateCustomResource(
    { operation: 'CREATE', kind, object, oldObject: undefined },
    settings,
  );
}

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

const id = (spiffeIDTemplate: string) => makePolicy({ spiffeIDTemplate });
const select = (matchExpressions: JsonValue) => makePolicy({ podSelector: { matchExpressions } });
const dns = (name: string) => makePolicy({ dnsNameTemplates: [name] });
const claims = (jwtClaimTemplates: JsonObject) => makePolicy({ jwtClaimTemplates });
const web = (bundleEndpointURL: string) => makeFederated({ bundleEndpointURL });
const TD = 'spiffe://{{ .TrustDomain }}';

suite('refused, with the field named', () => {
  const rows: readonly [string, JsonObject, RegExp][] = [
    ['A1 no template', id(''), /^spec\.spiffeIDTemplate: must not be empty$/],
    [
      'A1 a template that does not parse',
      id(`${TD}/{{ .PodMeta.Name `),
      /^spec\.spiffeIDTemplate: /,
    ],
    ['A1 an unknown function', id(`${TD}/{{ lower .PodMeta.Name }}`), /spiffeIDTemplate: .*lower/],
    ['E3 an unknown field', id(`${TD}/{{ .PodMeta.Nmae }}`), /spiffeIDTemplate: .*Nmae/],
    ['E3 a JSON name', id(`${TD}/{{ .PodMeta.namespace }}`), /spiffeIDTemplate: .*namespace/],
    ['E3 an undefined template', id(`${TD}/{{ template "x" }}`), /spiffeIDTemplate: .*"x"/],
    [
      'E1 a function used wrongly',
      id(`${TD}/{{ index .PodMeta.Name }}{{ len 3 }}`),
      /len of a int/,
    ],
    ['E7 another trust domain', id('spiffe://other.test/x'), /trust domain "other.test" is not/],
    [
      'E7 another trust domain before bytes of an author',
      id('spiffe://other.test/sa/{{ .PodSpec.ServiceAccountName }}'),
      /trust domain "other.test" is not/,
    ],
    ['no ID at all', id('hello'), /scheme must be spiffe/],
    ['no path', id(TD), /must have a path/],
    ['upper case in the scheme', id('SPIFFE://example.org/x'), /scheme must be spiffe/],
    ['an empty segment', id(`${TD}/a//{{ .PodMeta.Name }}`), /empty segments/],
    ['a dot segment', id(`${TD}/../x`), /dot segments/],
    ['a space', id(`${TD}/a b/{{ .PodMeta.Name }}`), /character U\+0020/],
    [
      'a reserved path',
      id(`${TD}/spire/agent/{{ .PodMeta.Name }}`),
      /path "\/spire\/agent\/x" is reserved/,
    ],
    ['our own path', id(`${TD}/signet/issuer`), /is reserved/],
    ['A6 an empty ttl', makePolicy({ ttl: '' }), /^spec\.ttl: must not be empty$/],
    ['A6 a number', makePolicy({ ttl: 3600 }), /^spec\.ttl: must be a string$/],
    ['A6 no unit', makePolicy({ ttl: '3600' }), /^spec\.ttl: /],
    ['A6 a negative ttl', makePolicy({ ttl: '-1h' }), /^spec\.ttl: must be at least 1s/],
    ['A6 cut to zero', makePolicy({ ttl: '500ms' }), /^spec\.ttl: must be at least 1s/],
    ['A7 cut to zero', makePolicy({ jwtTtl: '999ms' }), /^spec\.jwtTtl: must be at least 1s/],
    ['A14 a long hint', makePolicy({ hint: 'é'.repeat(513) }), /^spec\.hint: .*1024 bytes/],
    [
      'A8 a name that is none',
      makePolicy({ federatesWith: ['A b'] }),
      /^spec\.federatesWith\[0\]: /,
    ],
    [
      'A2 In without values',
      select([{ key: 'a', operator: 'In', values: [] }]),
      /^spec\.podSelector.*must not be empty for operator In$/,
    ],
    [
      'A2 NotIn without values',
      select([{ key: 'a', operator: 'NotIn' }]),
      /must not be empty for operator NotIn$/,
    ],
    [
      'A2 Exists with values',
      select([{ key: 'a', operator: 'Exists', values: ['x'] }]),
      /must be empty for operator Exists$/,
    ],
    [
      'A2 an unknown operator',
      select([{ key: 'a', operator: 'Gt', values: ['1'] }]),
      /operator: must be one of/,
    ],
    [
      'A5 a selector without colon',
      makePolicy({ workloadSelectorTemplates: ['k8s'] }),
      /^spec\.workloadSelectorTemplates\[0\]: .*type:value/,
    ],
    [
      'A5 nothing after the colon',
      makePolicy({ workloadSelectorTemplates: ['k8s:'] }),
      /type:value/,
    ],
    ['A4 a DNS name with a space', dns('a b'), /^spec\.dnsNameTemplates\[0\]: DNS name/],
    ['A4 an address', dns('10.0.0.1'), /looks like an address/],
    ['A4 a trailing dot', dns('a.test.'), /DNS name/],
    ['A4 a long label', dns(`${'a'.repeat(64)}.test`), /DNS name/],
    [
      'a claim that is not allowed',
      claims({ team: 'x' }),
      /^spec\.jwtClaimTemplates\.team: not an allowed claim/,
    ],
    ['a registered claim', claims({ sub: 'x' }), /registered claim/],
    [
      'a claim like a method',
      claims({ constructor: 'x' }),
      /jwtClaimTemplates\.constructor: not an allowed/,
    ],
    [
      'a claim of an author’s',
      claims({ agent_app: '{{ .PodMeta.Labels.app }}' }),
      /^spec\.jwtClaimTemplates\.agent_app: reads \.PodMeta\.Labels, which a pod's author writes; jwtClaimsFromAuthors/,
    ],
    [
      'a trust level of an author’s',
      makePolicy({
        jwtClaimTemplates: { agent_trust_level: '{{ .PodMeta.Labels.app }}' },
        jwtClaimsFromAuthors: true,
      }),
      /agent_trust_level: .* the operator's alone/,
    ],
    [
      'claims that are too long',
      claims({ agent_a: 'x'.repeat(2049) }),
      /^spec\.jwtClaimTemplates: over 2048 bytes together|^spec\.jwtClaimTemplates\.agent_a: .*over 2048/,
    ],
    ['a claim in upper case', claims({ agent_Name: 'x' }), /a claim is named by/],
    [
      'a bad common name',
      makePolicy({ commonNameTemplate: 'a/b' }),
      /^spec\.commonNameTemplate: a common name/,
    ],
    [
      'a fraction as priority',
      makePolicy({ priority: 1.5 }),
      /^spec\.priority: must be a whole number$/,
    ],
    [
      'B1 another trust domain',
      makeStaticEntry({ spiffeID: 'spiffe://other.test/x' }),
      /^spec\.spiffeID: /,
    ],
    ['B2 no parent', makeStaticEntry({ parentID: '' }), /^spec\.parentID: must be set$/],
    ['B3 no selectors', makeStaticEntry({ selectors: [] }), /^spec\.selectors: must not be empty$/],
    [
      'B3 a selector without colon',
      makeStaticEntry({ selectors: ['a:b', 'c'] }),
      /^spec\.selectors\[1\]: /,
    ],
    ['B5 a number', makeStaticEntry({ x509SVIDTTL: 60 }), /^spec\.x509SVIDTTL: must be a string$/],
    [
      'B6 cut to zero',
      makeStaticEntry({ jwtSVIDTTL: '1ms' }),
      /^spec\.jwtSVIDTTL: must be at least 1s/,
    ],
    ['B7 a bad DNS name', makeStaticEntry({ dnsNames: ['a b'] }), /^spec\.dnsNames: /],
    ['D1 no name', makeFederated({ trustDomain: '' }), /^spec\.trustDomain: /],
    [
      'D1 a weak match of the pattern',
      makeFederated({ trustDomain: 'A b' }),
      /^spec\.trustDomain: /,
    ],
    ['D2 http', web('http://partner.example'), /^spec\.bundleEndpointURL: must start with https/],
    ['D2 no host', web('https:///bundle'), /must have a host/],
    ['D2 a user name', web('https://user@partner.example/'), /must not have a user name/],
    [
      'D3 another profile',
      makeFederated({ bundleEndpointProfile: { type: 'https' } }),
      /^spec\.bundleEndpointProfile\.type: must be one of/,
    ],
    [
      'D4 https_spiffe without an ID',
      makeFederated({ bundleEndpointProfile: { type: 'https_spiffe' } }),
      /^spec\.bundleEndpointProfile\.endpointSPIFFEID: must be set$/,
    ],
    [
      'D4 https_web with an ID',
      makeFederated({
        bundleEndpointProfile: { type: 'https_web', endpointSPIFFEID: 'spiffe://a/b' },
      }),
      /endpointSPIFFEID: must not be set/,
    ],
    ['D5 no bundle', makeFederated({ trustDomainBundle: '[]' }), /^spec\.trustDomainBundle: /],
    ['a restriction of nobody', makeRestriction({ match: {} }), /^spec\.match: must not be empty/],
    ['a word for jwt', makeRestriction({ jwt: 'Allow' }), /^spec\.jwt: must be one of Deny$/],
  ];
  for (const [name, object, message] of rows) {
    test(name, () => {
      const made = create(object);
      assert.equal(made.allowed, false);
      assert.match(made.message, message);
    });
  }
});

suite('warned about, not refused', () => {
  const rows: readonly [string, JsonObject, RegExp][] = [
    [
      'a claim of an author’s, which the policy lets in',
      makePolicy({
        jwtClaimTemplates: { agent_app: '{{ .PodMeta.Labels.app }}' },
        jwtClaimsFromAuthors: true,
      }),
      /^spec\.jwtClaimTemplates\.agent_app: reads \.PodMeta\.Labels, .*nothing must be decided/,
    ],
    [
      'a trust level that pods choose by a label',
      makePolicy({
        podSelector: { matchLabels: { app: 'dispatcher' } },
        jwtClaimTemplates: { agent_trust_level: 'high' },
      }),
      /^spec\.podSelector: a pod's author chooses agent_trust_level/,
    ],
    ['authors without claims', makePolicy({ jwtClaimsFromAuthors: true }), /no effect without/],
    ['A9 admin', makePolicy({ admin: true }), /^spec\.admin: has no effect/],
    ['A10 downstream', makePolicy({ downstream: true }), /^spec\.downstream: has no effect/],
    [
      'an unknown field',
      makePolicy({ workloadSelector: {} }),
      /^spec\.workloadSelector: unknown field/,
    ],
    [
      'an ID that is all a label',
      id('{{ index .PodMeta.Labels "id" }}'),
      /^spec\.spiffeIDTemplate: .*sample pod/,
    ],
    [
      'a trust domain that is a label',
      id('spiffe://{{ index .PodMeta.Labels "td" }}/x'),
      /^spec\.spiffeIDTemplate: .*sample pod/,
    ],
    [
      'an ID that a condition makes',
      id(`{{ if eq .PodMeta.Namespace "shop" }}${TD}/shop{{ end }}`),
      /^spec\.spiffeIDTemplate: .*sample pod/,
    ],
    [
      'a trust domain that is a namespace',
      id('spiffe://{{ .PodMeta.Namespace }}/x'),
      /^spec\.spiffeIDTemplate: .*sample pod/,
    ],
    [
      'an image, which has a colon nearly always',
      id(`${TD}/{{ (index .PodSpec.Containers 0).Image }}`),
      /character ":"/,
    ],
    ['a verb that does not fit', id(`${TD}/{{ printf "%d" .PodMeta.Name }}`), /character "%"/],
    [
      'E3 an unknown field on the way that the sample pod does not take',
      id(`${TD}/{{ if .PodMeta.Labels.a }}a{{ else }}{{ .PodMeta.Nmae }}{{ end }}`),
      /no field or method Nmae .*bare pod/,
    ],
    [
      'a DNS label that is too long with some namespaces',
      dns(`${'a'.repeat(60)}{{ .PodMeta.Namespace }}`),
      /^spec\.dnsNameTemplates\[0\]: .*sample pod/,
    ],
    [
      'a container that other pods have',
      id(`${TD}/{{ (index .PodSpec.Containers 3).Name }}`),
      /index out of range: 3 \(tried/,
    ],
    [
      'a selector that is a label',
      makePolicy({ workloadSelectorTemplates: ['{{ .PodMeta.Labels.selector }}'] }),
      /type:value \(tried/,
    ],
    ['names that differ in case', makePolicy({ dnsNameTemplates: ['a.test', 'A.test'] }), /twice/],
    [
      '4.7 no bundle to begin with',
      makeFederated({
        bundleEndpointProfile: { type: 'https_spiffe', endpointSPIFFEID: 'spiffe://a/b' },
      }),
      /^spec\.trustDomainBundle: without one/,
    ],
    ['our own trust domain', makeFederated({ trustDomain: 'example.org' }), /no effect/],
    [
      'B9 storeSVID',
      makeStaticEntry({ storeSVID: true, selectors: ['k8s:ns:shop'] }),
      /^spec\.storeSVID: .*not served/,
    ],
    [
      'B3 a process',
      makeStaticEntry({ selectors: ['k8s:ns:shop', 'unix:uid:0'] }),
      /^spec\.selectors\[1\]: "unix:uid:0" names no pod: not served/,
    ],
    ['a restriction without effect', makeRestriction({ suspend: false }), /restricts nothing/],
  ];
  for (const [name, object, warning] of rows) {
    test(name, () => {
      const made = create(object);
      assert.equal(made.message, '');
      assert.equal(made.warnings.length, 1);
      assert.match(made.warnings[0] ?? '', warning);
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
