// DNS names and common names: whose they may be, by profile.

import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { explainText } from '../../../src/cli/explain-text.ts';
import { explainPod } from '../../../src/identity/explain.ts';
import type { IdentitySettings } from '../../../src/identity/settings.ts';
import type { JsonObject } from '../../../src/template/json-value.ts';
import { NOW, namespace, pod, policy, TestView } from './fixtures.ts';

function viewOf(profile: IdentitySettings['profile'], spec: JsonObject, at = 'city'): TestView {
  const view = new TestView({ profile });
  view.set('Namespace', namespace(at));
  view.set('Pod', pod({ namespace: at, labels: { app: 'web' } }));
  view.set('ClusterSPIFFEID', policy('p', spec));
  return view;
}

type Row = readonly [name: string, spec: JsonObject, message: RegExp];

suite('A4: DNS names of the cluster itself are nobody’s', () => {
  for (const name of [
    'kubernetes',
    'Kubernetes.default.svc',
    'kubernetes.default.svc.cluster.local',
    '*.default.svc',
    'kube-dns.kube-system.svc',
    '*.kube-system.svc.cluster.local',
  ]) {
    test(`A4: ${name}`, () => {
      for (const profile of ['drop-in', 'strict'] as const) {
        const view = viewOf(profile, { dnsNameTemplates: [name] });
        assert.match(view.failures('p')[0] ?? '', /is reserved/);
      }
    });
  }
  test('A4: but those of its own pods are theirs', () => {
    const spec = { dnsNameTemplates: ['kube-dns.kube-system.svc'] };
    assert.equal(viewOf('strict', spec, 'kube-system').ids().length, 1);
  });
});

suite('strict profile: certificates are refused with', () => {
  const rows: readonly Row[] = [
    [
      'the Service of another namespace',
      { dnsNameTemplates: ['bank.payments.svc.cluster.local'] },
      /bank\.payments\.svc\.cluster\.local is of another namespace/,
    ],
    [
      "an author's text as the end of a DNS name",
      { dnsNameTemplates: ['{{ .PodMeta.Labels.app }}'] },
      /a whole label, and not the last/,
    ],
    [
      "an author's text glued into a label",
      { dnsNameTemplates: ['x-{{ .PodMeta.Labels.app }}.test'] },
      /a whole label, and not the last/,
    ],
    [
      "dots in an author's text",
      { dnsNameTemplates: ['{{ (index .PodSpec.Containers 0).Image }}.test'] },
      /Image, written by the pod's author, must not contain/,
    ],
    [
      'a label as common name',
      { commonNameTemplate: '{{ .PodMeta.Labels.app }}' },
      /commonNameTemplate: \.PodMeta\.Labels.*must not be in it/,
    ],
    [
      'a common name that an author chooses',
      { commonNameTemplate: '{{ if eq .PodMeta.Labels.app "web" }}admin{{ else }}user{{ end }}' },
      /commonNameTemplate: .*must not be in it/,
    ],
  ];
  for (const [name, spec, message] of rows) {
    test(`strict profile: ${name}`, () => {
      const view = viewOf('strict', spec);
      assert.equal(view.refusal(), 'EntryRefused');
      assert.match(view.failures('p')[0] ?? '', message);
    });
  }
  test('strict profile: account and namespace make a common name, labels a label of a name', () => {
    const view = viewOf('strict', {
      commonNameTemplate: '{{ .PodSpec.ServiceAccountName }}.{{ .PodMeta.Namespace }}',
      dnsNameTemplates: [
        '{{ .PodMeta.Labels.app }}.{{ .PodMeta.Namespace }}.svc',
        '{{ .PodMeta.Labels.app }}.example.org',
      ],
    });
    assert.equal(view.ids().length, 1, view.failures('p').join());
    assert.equal(view.decision('uid-web-0', NOW)?.identities[0]?.commonName, 'agent.city');
  });
  test('drop-in profile: existing manifests go on as they were', () => {
    for (const [, spec] of rows.slice(0, 3)) assert.equal(viewOf('drop-in', spec).ids().length, 1);
  });
});

test('A4, A11: an explanation shows common name and DNS names', () => {
  const view = viewOf('drop-in', {
    commonNameTemplate: 'db-user',
    dnsNameTemplates: ['a.test', 'b.test'],
  });
  const explanation = explainPod(view, 'uid-web-0', NOW);
  assert.ok(explanation);
  const text = explainText(explanation);
  assert.match(text, /common name db-user/);
  assert.match(text, /DNS names a\.test, b\.test/);
});
