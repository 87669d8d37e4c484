// Every field of every manifest is read: with another value the object means something else. A field
// of a schema that no case here is about fails, so a new one cannot go unread.

import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { isDeepStrictEqual } from 'node:util';
import { specFields } from '../../../scripts/rows/manifest-fields.ts';
import { parseClusterFederatedTrustDomain } from '../../../src/crds/cluster-federated-trust-domain.ts';
import { parseClusterSpiffeId } from '../../../src/crds/cluster-spiffe-id-policy.ts';
import { parseClusterStaticEntry } from '../../../src/crds/cluster-static-entry.ts';
import { KINDS } from '../../../src/crds/custom-resource-definition.ts';
import { parseIdentityRestriction } from '../../../src/crds/identity-restriction-policy.ts';
import type { JsonObject, JsonValue } from '../../../src/template/json-value.ts';
import {
  BUNDLE,
  makeFederated,
  makePolicy,
  makeRestriction,
  makeStaticEntry,
} from './manifest-fixtures.ts';

type Case = readonly [one: JsonObject, other: JsonObject];

/** Selectors of two kinds of object have the same fields. */
function selectorCases(name: string): Readonly<Record<string, Case>> {
  const expression = { key: 'a', operator: 'In', values: ['x'] };
  const having = (change: JsonObject): JsonObject => ({
    [name]: { matchExpressions: [{ ...expression, ...change }] },
  });
  return {
    [name]: [{}, { [name]: { matchLabels: { a: 'x' } } }],
    [`${name}.matchLabels`]: [
      { [name]: { matchLabels: { a: 'x' } } },
      { [name]: { matchLabels: { a: 'y' } } },
    ],
    [`${name}.matchExpressions`]: [{ [name]: {} }, having({})],
    [`${name}.matchExpressions.key`]: [having({}), having({ key: 'b' })],
    [`${name}.matchExpressions.operator`]: [having({}), having({ operator: 'NotIn' })],
    [`${name}.matchExpressions.values`]: [having({}), having({ values: ['y'] })],
  };
}

/** Two specs, or more of one, that differ in the field. */
function values(field: string, one: JsonValue | undefined, other: JsonValue): Case {
  return [one === undefined ? {} : { [field]: one }, { [field]: other }];
}

const owner = { kind: 'Job', name: 'a', uid: 'u' };
const spiffe = { type: 'https_spiffe', endpointSPIFFEID: 'spiffe://partner.example/one' };

const CASES: Readonly<Record<string, Readonly<Record<string, Case>>>> = {
  ClusterSPIFFEID: {
    spiffeIDTemplate: values('spiffeIDTemplate', undefined, 'spiffe://example.org/b'),
    ...selectorCases('podSelector'),
    ...selectorCases('namespaceSelector'),
    ...selectorCases('federatesWithSelector'),
    dnsNameTemplates: values('dnsNameTemplates', undefined, ['a.example']),
    workloadSelectorTemplates: values('workloadSelectorTemplates', undefined, ['k8s:ns:a']),
    ttl: values('ttl', '1h', '2h'),
    jwtTtl: values('jwtTtl', '5m', '6m'),
    federatesWith: values('federatesWith', undefined, ['partner.example']),
    admin: values('admin', undefined, true),
    downstream: values('downstream', undefined, true),
    autoPopulateDNSNames: values('autoPopulateDNSNames', undefined, true),
    className: values('className', 'a', 'b'),
    fallback: values('fallback', undefined, true),
    hint: values('hint', 'a', 'b'),
    priority: values('priority', 1, 2),
    jwtClaimTemplates: values('jwtClaimTemplates', undefined, { agent_team: 'a' }),
    jwtClaimsFromAuthors: values('jwtClaimsFromAuthors', undefined, true),
    commonNameTemplate: values('commonNameTemplate', 'a', 'b'),
    jwtIncludeJTI: values('jwtIncludeJTI', undefined, true),
  },
  ClusterStaticEntry: {
    spiffeID: values('spiffeID', undefined, 'spiffe://example.org/other'),
    parentID: values('parentID', undefined, 'spiffe://example.org/spire/agent/two'),
    selectors: values('selectors', undefined, ['unix:uid:1']),
    federatesWith: values('federatesWith', undefined, ['partner.example']),
    x509SVIDTTL: values('x509SVIDTTL', '1h', '2h'),
    jwtSVIDTTL: values('jwtSVIDTTL', '5m', '6m'),
    dnsNames: values('dnsNames', undefined, ['a.example']),
    hint: values('hint', 'a', 'b'),
    admin: values('admin', undefined, true),
    downstream: values('downstream', undefined, true),
    storeSVID: values('storeSVID', undefined, true),
    className: values('className', 'a', 'b'),
  },
  ClusterFederatedTrustDomain: {
    trustDomain: values('trustDomain', undefined, 'other.example'),
    bundleEndpointURL: values('bundleEndpointURL', undefined, 'https://other.example/'),
    bundleEndpointProfile: values('bundleEndpointProfile', undefined, spiffe),
    'bundleEndpointProfile.type': values('bundleEndpointProfile', { type: 'https_web' }, spiffe),
    'bundleEndpointProfile.endpointSPIFFEID': values('bundleEndpointProfile', spiffe, {
      ...spiffe,
      endpointSPIFFEID: 'spiffe://partner.example/two',
    }),
    trustDomainBundle: values('trustDomainBundle', undefined, BUNDLE),
    className: values('className', 'a', 'b'),
  },
  IdentityRestriction: {
    match: values('match', undefined, { namespace: 'other' }),
    'match.all': values('match', undefined, { all: true }),
    ...matchCases({
      spiffeID: 'spiffe://example.org/a',
      spiffeIDPrefix: 'spiffe://example.org/a',
      serviceAccount: 'a',
      owner,
      podUID: 'u',
      node: 'n',
      trustLevels: ['low'],
      exceptTrustLevels: ['high'],
    }),
    'match.namespace': values('match', { namespace: 'a' }, { namespace: 'b' }),
    'match.owner.kind': values('match', { owner }, { owner: { ...owner, kind: 'CronJob' } }),
    'match.owner.name': values('match', { owner }, { owner: { ...owner, name: 'b' } }),
    'match.owner.uid': values('match', { owner }, { owner: { ...owner, uid: 'v' } }),
    suspend: [{ jwt: 'Deny' }, { jwt: 'Deny', suspend: false }],
    until: values('until', undefined, '2026-01-31T12:00:00Z'),
    cause: values('cause', 'a', 'b'),
    maxX509SVIDTTL: values('maxX509SVIDTTL', '10m', '20m'),
    maxJWTSVIDTTL: values('maxJWTSVIDTTL', '1m', '2m'),
    allowedAudiences: values('allowedAudiences', ['a'], ['b']),
    jwt: values('jwt', undefined, 'Deny'),
    sds: values('sds', undefined, 'Deny'),
  },
};

/** Another field of a match beside the one that is there. */
function matchCases(fields: JsonObject): Readonly<Record<string, Case>> {
  return Object.fromEntries(
    Object.entries(fields).map(([name, value]) => [
      `match.${name}`,
      values('match', undefined, { namespace: 'shop', [name]: value }),
    ]),
  );
}

const READERS: Readonly<
  Record<
    string,
    (spec: JsonObject) => { readonly value?: unknown; readonly errors: readonly unknown[] }
  >
> = {
  ClusterSPIFFEID: (spec) => parseClusterSpiffeId(makePolicy(spec)),
  ClusterStaticEntry: (spec) => parseClusterStaticEntry(makeStaticEntry(spec)),
  ClusterFederatedTrustDomain: (spec) => parseClusterFederatedTrustDomain(makeFederated(spec)),
  IdentityRestriction: (spec) => parseIdentityRestriction(makeRestriction(spec)),
};

for (const { kind, schema } of KINDS) {
  suite(`manifest fields of ${kind}`, () => {
    const cases = CASES[kind] ?? {};
    for (const field of specFields(schema)) {
      test(`${kind}.spec.${field} is read`, () => {
        const found = cases[field];
        assert.ok(found !== undefined, 'no case is about this field');
        const [one, other] = found.map((spec) => {
          const { value, errors } = READERS[kind]?.(spec) ?? { errors: ['no reader'] };
          assert.deepEqual(errors, []);
          return value;
        });
        assert.ok(!isDeepStrictEqual(one, other), 'both mean the same');
      });
    }
    test('no case is about a field that is not there', () => {
      const fields = new Set(specFields(schema));
      assert.deepEqual(
        Object.keys(cases).filter((field) => !fields.has(field)),
        [],
      );
    });
  });
}
