// Objects of our kinds that are accepted with a warning, one rule a row.

import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import type { JsonObject } from '../../../src/template/json-value.ts';
import {
  makeFederated,
  makePolicy,
  makeRestriction,
  makeStaticEntry,
} from '../crds/manifest-fixtures.ts';
import { create, dns, id, TD } from './custom-resource-fixtures.ts';

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
