// Objects of our kinds that are refused, one rule a row, with the field named.

import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import type { JsonObject } from '../../../src/template/json-value.ts';
import {
  makeFederated,
  makePolicy,
  makeRestriction,
  makeStaticEntry,
} from '../crds/manifest-fixtures.ts';
import { create, dns, id, select, TD } from './custom-resource-fixtures.ts';

const claims = (jwtClaimTemplates: JsonObject) => makePolicy({ jwtClaimTemplates });
const web = (bundleEndpointURL: string) => makeFederated({ bundleEndpointURL });

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
