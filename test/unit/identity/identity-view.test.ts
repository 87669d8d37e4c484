// Objects as they come and go: what is known, what is not known yet, and who is told.

import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { IDENTITY_KINDS, isIdentityKind, keyOf } from '../../../src/identity/identity-view.ts';
import type { JsonObject } from '../../../src/template/json-value.ts';
import { NOW, namespace, node, pod, policy, SA_ID, TestView } from './fixtures.ts';

const READER = policy('reader', { spiffeIDTemplate: 'spiffe://example.org/{{ .NodeMeta.UID }}' });

suite('pods that a node made get no identity', () => {
  const rows: readonly [string, JsonObject][] = [
    ['a mirror pod', { annotations: { 'kubernetes.io/config.mirror': 'hash' } }],
    ['a mirror pod with an empty hash', { annotations: { 'kubernetes.io/config.mirror': '' } }],
    ['a pod owned by a Node', { ownerReferences: [{ kind: 'Node', name: 'node-1', uid: 'u' }] }],
  ];
  for (const [name, metadata] of rows) {
    test(`no identity: ${name}`, () => {
      const view = new TestView();
      view.set('ClusterSPIFFEID', policy('p'), policy('f', { fallback: true }));
      view.set('Pod', pod(metadata));
      assert.deepEqual(view.ids(), []);
      assert.equal(view.refusal(), 'NodePod');
      assert.equal(view.stats('p').podsSelected, 0);
      view.set('Pod', pod());
      assert.deepEqual(view.ids(), [SA_ID]);
    });
  }
});

suite('what is not known yet refuses nothing', () => {
  test('not known yet: an unknown namespace', () => {
    const view = new TestView();
    view.set('ClusterSPIFFEID', policy('p'));
    view.set('Pod', pod());
    view.remove('Namespace', namespace());
    assert.equal(view.refusal(), 'ViewBehind');
    assert.ok(view.takeChanged(NOW).has('uid-web-0'));
    assert.equal(view.stats('p').podsSelected, 0);
    view.set('Namespace', namespace());
    assert.deepEqual(view.ids(), [SA_ID]);
    assert.ok(view.takeChanged(NOW).has('uid-web-0'));
  });

  test('not known yet: an unknown node, for templates that read it, and for no others', () => {
    const view = new TestView();
    view.set('ClusterSPIFFEID', READER);
    view.set('Pod', pod());
    assert.deepEqual(view.ids(), ['spiffe://example.org/uid-node-1']);
    view.remove('Node', node());
    assert.equal(view.refusal(), 'ViewBehind');
    assert.equal(view.stats('reader').podEntryRenderFailures, 1);
    view.remove('ClusterSPIFFEID', READER);
    assert.equal(view.refusal(), 'NoPolicy');
    view.set('ClusterSPIFFEID', policy('p'));
    assert.deepEqual(view.ids(), [SA_ID]);
  });

  test('not known yet: an unknown pod has no answer at all', () => {
    const view = new TestView();
    assert.equal(view.decision('unknown', NOW), undefined);
    assert.equal(view.podUid('city', 'web-0'), undefined);
  });
});

test('a node that is made anew under the same name is another node', () => {
  const view = new TestView();
  view.set('ClusterSPIFFEID', READER);
  view.set('Pod', pod());
  view.takeChanged(NOW);
  view.set('Node', { metadata: { name: 'node-1', uid: 'second' }, spec: {} });
  assert.deepEqual(view.ids(), ['spiffe://example.org/second']);
  assert.ok(view.takeChanged(NOW).has('uid-web-0'));
});

test('what kubelets report all the time tells nobody', () => {
  const view = new TestView();
  view.set('ClusterSPIFFEID', READER);
  view.set('Pod', pod());
  view.takeChanged(NOW);
  view.set('Node', { ...node(), status: { conditions: [{ type: 'Ready' }] } });
  view.set('Namespace', { ...namespace(), status: { phase: 'Active' } });
  assert.deepEqual([...view.takeChanged(NOW)], []);
});

test('a pod that is made anew under the same name is another pod', () => {
  const view = new TestView();
  view.set('ClusterSPIFFEID', policy('p'));
  view.set('Pod', pod());
  view.takeChanged(NOW);
  view.set('Pod', pod({ uid: 'second' }));
  assert.equal(view.decision('uid-web-0', NOW), undefined);
  assert.equal(view.podUid('city', 'web-0'), 'second');
  assert.deepEqual(view.ids('second'), [SA_ID]);
  assert.deepEqual([...view.takeChanged(NOW)].toSorted(), ['second', 'uid-web-0']);
  assert.equal(view.stats('p').entriesToSet, 1);
  view.remove('Pod', pod());
  assert.equal(view.decision('second', NOW), undefined);
  assert.equal(view.stats('p').podsSelected, 0);
});

test('a policy that is made anew under the same name is another entry', () => {
  const view = new TestView();
  view.set('Pod', pod());
  view.set('ClusterSPIFFEID', policy('p'));
  view.set('ClusterSPIFFEID', policy('p', {}, { uid: 'second' }));
  const identities = view.decision('uid-web-0', NOW)?.identities;
  assert.deepEqual(
    identities?.map(({ policyUid }) => policyUid),
    ['second'],
  );
});

test('A1: a policy whose edit does not parse serves nobody, and says why', () => {
  const view = new TestView();
  view.set('Pod', pod());
  view.set('ClusterSPIFFEID', policy('p'));
  const errors = view.set('ClusterSPIFFEID', policy('p', { spiffeIDTemplate: '{{' }));
  assert.match(errors.join(), /spiffeIDTemplate/);
  assert.equal(view.aside.get('p')?.reason, 'Invalid');
  assert.deepEqual(view.ids(), []);
  assert.equal(view.refusal(), 'NoPolicy');
  view.set('ClusterSPIFFEID', policy('p'));
  assert.equal(view.aside.size, 0);
  assert.deepEqual(view.ids(), [SA_ID]);
});

test('objects that do not parse are named, and change nothing', () => {
  const view = new TestView();
  view.set('Pod', pod());
  view.set('ClusterSPIFFEID', policy('p'));
  const broken = { metadata: { namespace: 'city', name: 'web-0' } };
  assert.deepEqual(view.set('Pod', broken), ['Pod: metadata.uid is missing']);
  assert.deepEqual(view.ids(), [SA_ID]);
});

test("a label of a pod's namespace decides, and only pods of that namespace are told", () => {
  const view = new TestView();
  view.set('Namespace', namespace('other'));
  view.set('Pod', pod(), pod({ namespace: 'other', uid: 'other' }));
  view.set(
    'ClusterSPIFFEID',
    policy('p', { namespaceSelector: { matchLabels: { team: 'x' } } }),
    policy('n', {
      spiffeIDTemplate: 'spiffe://example.org/n',
      namespaceSelector: { matchExpressions: [{ key: 'team', operator: 'DoesNotExist' }] },
    }),
  );
  assert.deepEqual(view.policies(), ['n']);
  view.takeChanged(NOW);
  view.set('Namespace', namespace('city', { team: 'x' }));
  assert.deepEqual(view.policies(), ['p']);
  assert.deepEqual([...view.takeChanged(NOW)], ['uid-web-0']);
});

test('a policy touches only pods that it selects, before or after', () => {
  const view = new TestView();
  const apps = ['a', 'b', 'c'];
  view.set('Pod', ...apps.map((app) => pod({ name: app, uid: app, labels: { app } })));
  const select = (app: string) => policy('p', { podSelector: { matchLabels: { app } } });
  view.set('ClusterSPIFFEID', select('a'));
  view.takeChanged(NOW);
  view.set('ClusterSPIFFEID', select('b'));
  assert.deepEqual([...view.takeChanged(NOW)].toSorted(), ['a', 'b']);
  view.remove('ClusterSPIFFEID', select('b'));
  assert.deepEqual([...view.takeChanged(NOW)], ['b']);
  assert.deepEqual([...view.index.matcher.slots], []);
});

test('when a pod was asked to go is what the API server stores, less the grace period', () => {
  const view = new TestView();
  const deletionTimestamp = '2026-01-01T12:00:30Z';
  view.set('Pod', pod({ deletionTimestamp, deletionGracePeriodSeconds: 30 }));
  const decided = view.decision('uid-web-0', NOW)?.pod;
  assert.equal(decided?.deletionRequestedAt, NOW);
  assert.equal(decided?.deletionGraceSeconds, 30);
});

test('kinds and keys', () => {
  assert.ok(IDENTITY_KINDS.every(isIdentityKind));
  assert.equal(isIdentityKind('constructor'), false);
  assert.deepEqual(keyOf(pod()), { namespace: 'city', name: 'web-0' });
  assert.deepEqual(keyOf({}), { namespace: '', name: '' });
});
