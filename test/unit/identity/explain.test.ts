// For every policy the reason why it serves a pod or not.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { explainPod } from '../../../src/identity/explain.ts';
import { NOW, namespace, node, pod, policy, restriction, SA_ID, TestView } from './fixtures.ts';

function explained(view: TestView, uid = 'uid-web-0') {
  const explanation = explainPod(view, uid, NOW);
  const policies = explanation?.policies ?? [];
  return new Map(
    policies.map(({ policy, outcome, message }) => [policy, `${outcome}: ${message}`]),
  );
}

test('explain: says for each policy why', () => {
  const view = new TestView({ classNames: ['mine'] });
  view.set('Pod', pod());
  const refused = { spiffeIDTemplate: 'spiffe://example.org/signet/x' };
  view.set(
    'ClusterSPIFFEID',
    policy('class', { className: 'other' }),
    policy('invalid', { spiffeIDTemplate: '' }),
    policy('namespace', { namespaceSelector: { matchLabels: { env: 'x' } } }),
    policy('pod', { podSelector: { matchExpressions: [{ key: 'app', operator: 'Exists' }] } }),
    policy('render', { spiffeIDTemplate: 'hello' }),
    policy('refused', refused),
    policy('undecidable', { workloadSelectorTemplates: ['unix:uid:0'] }),
    policy('mismatch', { workloadSelectorTemplates: ['k8s:ns:other'] }),
    policy('served', {}, { uid: '1' }),
    policy('masked', {}, { uid: '2' }),
    policy('fallback', { fallback: true }),
    policy('stopped', { spiffeIDTemplate: 'spiffe://example.org/stopped', priority: 1 }),
  );
  const stop = { match: { spiffeID: 'spiffe://example.org/stopped' }, suspend: true };
  view.set('IdentityRestriction', restriction('stop', stop));
  const said = explained(view);
  const rows: readonly [string, RegExp][] = [
    ['class', /^ClassNotServed: is of class "other"$/],
    ['invalid', /^Invalid: spec.spiffeIDTemplate: must be set$/],
    ['namespace', /^NamespaceNotSelected: namespace city does not meet env In \(x\)$/],
    ['pod', /^PodNotSelected: the pod does not meet app Exists$/],
    ['render', /^RenderFailed: SPIFFE ID: scheme must be spiffe:\/\/$/],
    ['refused', /^EntryRefused: SPIFFE ID: path "\/signet\/x" is reserved$/],
    ['undecidable', /^Undecidable: selector "unix:uid:0" cannot be decided/],
    ['mismatch', /^SelectorMismatch: selector "k8s:ns:other" does not hold/],
    ['served', /^Served: $/],
    ['masked', new RegExp(`^Masked: an older policy makes the same entry ${SA_ID}$`)],
    ['fallback', /^FallbackUnused: a fallback, and another policy serves/],
    ['stopped', /^Suspended: suspended by IdentityRestriction stop$/],
  ];
  assert.deepEqual([...said.keys()].toSorted(), rows.map(([name]) => name).toSorted());
  for (const [name, reason] of rows) assert.match(said.get(name) ?? '', reason);
  assert.equal([...said.keys()][0], 'served', 'what serves the pod comes first');
});

test('explain: pods that no policy can select', () => {
  const view = new TestView({ ignoreNamespaces: ['^kube-'] });
  view.set('Namespace', namespace('kube-system'));
  view.set('ClusterSPIFFEID', policy('p'));
  view.set(
    'Pod',
    pod({ namespace: 'kube-system', uid: 'ignored' }),
    pod({ namespace: 'nowhere', uid: 'nowhere' }),
    pod({ name: 'm', uid: 'mirror', annotations: { 'kubernetes.io/config.mirror': 'x' } }),
  );
  assert.match(explained(view, 'ignored').get('p') ?? '', /^NamespaceIgnored: kube-system/);
  assert.match(explained(view, 'nowhere').get('p') ?? '', /^NamespaceUnknown: nowhere/);
  assert.match(explained(view, 'mirror').get('p') ?? '', /^NodePod: /);
  assert.equal(explainPod(view, 'unknown', NOW), undefined);
});

test('explain: all policies of a pod wait for one that cannot be judged', () => {
  const view = new TestView();
  view.set('Pod', pod());
  view.set(
    'ClusterSPIFFEID',
    policy('p'),
    policy('reader', { spiffeIDTemplate: 'spiffe://example.org/{{ .NodeMeta.Name }}' }),
  );
  view.remove('Node', node());
  const said = explained(view);
  assert.match(said.get('reader') ?? '', /^ViewBehind: node "node-1" is not known yet$/);
  assert.match(said.get('p') ?? '', /^ViewBehind: what another policy's templates read/);
});

test('explain: who could have written which bytes of an ID', () => {
  const view = new TestView();
  view.set('Pod', pod({ labels: { app: 'web' } }));
  view.set(
    'ClusterSPIFFEID',
    policy('p', {
      spiffeIDTemplate:
        'spiffe://example.org/{{ .PodMeta.Namespace }}/{{ .PodMeta.Labels.app }}/{{ .NodeMeta.Name }}',
    }),
  );
  const explanation = explainPod(view, 'uid-web-0', NOW);
  const runs = explanation?.policies[0]?.provenance ?? [];
  assert.deepEqual(
    runs.filter(({ text }) => text !== '/').map(({ text, from }) => `${text} ${from}`),
    ['spiffe://example.org/ operator', 'city api', 'web author', 'node-1 node'],
  );
  assert.equal(explanation?.policies[0]?.spiffeId, 'spiffe://example.org/city/web/node-1');
});
