// The strict profile refuses what a pod's author or a node could have forged.

import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import type { JsonObject } from '../../../src/template/json-value.ts';
import { namespace, node, pod, policy, SA_TEMPLATE, TestView } from './fixtures.ts';

const TD = 'spiffe://example.org';
const NS = `${TD}/ns/{{ .PodMeta.Namespace }}`;
const pinned: JsonObject = { matchLabels: { 'kubernetes.io/metadata.name': 'city' } };

function viewOf(profile: 'strict' | 'drop-in', spec: JsonObject): TestView {
  const view = new TestView({ profile });
  view.set('Namespace', namespace('city', { env: 'prod' }));
  view.set('Node', node('node-1', { zone: 'z1' }));
  const annotations = { role: 'admin' };
  const containers = [{ name: 'main', image: 'registry.test/agent' }];
  view.set('Pod', pod({ labels: { app: 'web', env: 'prod' }, annotations }, { containers }));
  view.set('ClusterSPIFFEID', policy('p', spec));
  return view;
}

suite('strict profile: refused', () => {
  const rows: readonly [string, JsonObject, RegExp][] = [
    [
      'a slash an author wrote',
      { spiffeIDTemplate: `${NS}/{{ (index .PodSpec.Containers 0).Image }}` },
      /Image, written by the pod's author, must not contain "\/"/,
    ],
    [
      'bytes of an author glued to text before',
      { spiffeIDTemplate: `${NS}/x-{{ .PodMeta.Labels.app }}` },
      /written by the pod's author, must be a whole segment/,
    ],
    [
      'bytes of an author glued to text behind',
      { spiffeIDTemplate: `${NS}/{{ .PodMeta.Labels.app }}-x` },
      /must be a whole segment/,
    ],
    [
      'two values of an author in one segment',
      { spiffeIDTemplate: `${NS}/{{ .PodMeta.Labels.app }}{{ .PodMeta.Labels.env }}` },
      /must be a whole segment/,
    ],
    [
      'text an author chose',
      {
        spiffeIDTemplate: `${NS}{{ if eq .PodMeta.Labels.app "web" }}/admin{{ end }}`,
      },
      /spiffeIDTemplate: /,
    ],
    [
      'bytes of a node in the ID',
      { spiffeIDTemplate: `${NS}/{{ .NodeMeta.Labels.zone }}` },
      /written by the node, must not be in an ID/,
    ],
    [
      'an annotation, which a node can write, in the ID',
      { spiffeIDTemplate: `${NS}/{{ .PodMeta.Annotations.role }}` },
      /written by the node, must not be in an ID/,
    ],
    [
      'bytes of a node in a DNS name',
      { dnsNameTemplates: ['{{ .NodeMeta.Labels.zone }}.test'] },
      /dnsNameTemplates: .*which a node can write/,
    ],
    [
      'bytes of a node in a claim',
      {
        jwtClaimTemplates: { agent_zone: '{{ .NodeMeta.Labels.zone }}' },
        jwtClaimsFromAuthors: true,
      },
      /jwtClaimTemplates\.agent_zone: /,
    ],
    [
      'bytes of a node in a common name',
      { commonNameTemplate: '{{ .NodeMeta.Labels.zone }}' },
      /commonNameTemplate: /,
    ],
    [
      'an ID that no namespace is bound to',
      { spiffeIDTemplate: `${TD}/sa/{{ .PodSpec.ServiceAccountName }}` },
      /binds the ID to no namespace/,
    ],
    ['a literal ID', { spiffeIDTemplate: `${TD}/db` }, /binds the ID to no namespace/],
    [
      'a namespace that is only part of a segment',
      { spiffeIDTemplate: `${TD}/ns-{{ .PodMeta.Namespace }}/x` },
      /binds the ID to no namespace/,
    ],
    [
      'a namespace selector by a label that many namespaces can have',
      { spiffeIDTemplate: `${TD}/db`, namespaceSelector: { matchLabels: { env: 'prod' } } },
      /binds the ID to no namespace/,
    ],
    [
      'a namespace selector that only excludes names',
      {
        spiffeIDTemplate: `${TD}/db`,
        namespaceSelector: {
          matchExpressions: [
            { key: 'kubernetes.io/metadata.name', operator: 'NotIn', values: ['x'] },
          ],
        },
      },
      /binds the ID to no namespace/,
    ],
  ];
  for (const [name, spec, message] of rows) {
    test(`strict profile: ${name}`, () => {
      const view = viewOf('strict', spec);
      assert.equal(view.refusal(), 'EntryRefused');
      assert.equal(view.stats('p').entryFailures, 1);
      assert.match(view.failures('p')[0] ?? '', message);
      const isInvalidAnyway = viewOf('drop-in', spec).ids().length === 0;
      assert.equal(isInvalidAnyway, false, 'served in the drop-in profile');
    });
  }
});

suite('strict profile: served', () => {
  const rows: readonly [string, JsonObject][] = [
    ['namespace and ServiceAccount as segments', { spiffeIDTemplate: SA_TEMPLATE }],
    ['a label as a segment', { spiffeIDTemplate: `${NS}/{{ .PodMeta.Labels.app }}/x` }],
    [
      'a literal ID pinned to namespaces',
      { spiffeIDTemplate: `${TD}/db`, namespaceSelector: pinned },
    ],
    [
      "a pod's own DNS name",
      { dnsNameTemplates: ['{{ .PodMeta.Name }}.{{ .PodMeta.Namespace }}.test'] },
    ],
    [
      'a claim an author writes',
      { jwtClaimTemplates: { agent_app: '{{ .PodMeta.Labels.app }}' }, jwtClaimsFromAuthors: true },
    ],
  ];
  for (const [name, spec] of rows) {
    test(`strict profile: ${name}`, () => {
      const view = viewOf('strict', spec);
      assert.equal(view.ids().length, 1, view.failures('p').join());
    });
  }
});

test('strict profile: a fallback applies where an entry is refused', () => {
  const view = viewOf('strict', { spiffeIDTemplate: `${TD}/db` });
  view.set('ClusterSPIFFEID', policy('f', { fallback: true }));
  assert.deepEqual(view.policies(), ['f']);
});
