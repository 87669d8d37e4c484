// Which policies and namespaces are ours.

import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { namespaceFilter, servesClass } from '../../../src/identity/settings.ts';
import { namespace, pod, policy, SA_ID, settings, TestView } from './fixtures.ts';

suite('G4: classes', () => {
  const rows: readonly [readonly string[], boolean, string, boolean][] = [
    [[], false, '', true],
    [[], false, 'other', false],
    [['mine'], false, '', true],
    [['mine'], true, '', false],
    [['mine', 'too'], true, 'too', true],
    [['mine'], false, 'Mine', false],
    [['mine'], false, 'other', false],
    [[''], true, '', false],
  ];
  for (const [classNames, ignoreClassless, className, expected] of rows) {
    const how = `${JSON.stringify(classNames)}${ignoreClassless ? ', classless ignored' : ''}`;
    test(`G4: ${how}: "${className}" is ${expected ? 'served' : 'left alone'}`, () => {
      assert.equal(servesClass(settings({ classNames, ignoreClassless }), className), expected);
    });
  }
});

test('G4: a policy of another class serves nobody, is not counted, and its mistakes are not ours', () => {
  const view = new TestView({ classNames: ['mine'] });
  view.set('Pod', pod());
  const errors = view.set(
    'ClusterSPIFFEID',
    policy('other', { className: 'other', spiffeIDTemplate: '{{' }),
  );
  assert.deepEqual(errors, []);
  assert.deepEqual(view.ids(), []);
  assert.equal(view.index.matcher.get('other'), undefined);
  assert.equal(view.aside.get('other')?.reason, 'ClassNotServed');
  view.set('ClusterSPIFFEID', policy('other', { className: 'mine' }));
  assert.deepEqual(view.ids(), [SA_ID]);
  assert.equal(view.aside.size, 0);
  view.set('ClusterSPIFFEID', policy('other', { className: 'other' }));
  assert.deepEqual(view.ids(), []);
});

test('G3: patterns are RE2, unanchored', () => {
  const isIgnored = namespaceFilter(['kube-public', '^openshift-.*', 'x$']);
  for (const name of ['kube-public', 'my-kube-public-2', 'openshift-a', 'box']) {
    assert.equal(isIgnored(name), true, name);
  }
  for (const name of ['kube', 'not-openshift-a', 'x-ray', '']) {
    assert.equal(isIgnored(name), false, name);
  }
  assert.equal(namespaceFilter([])('kube-system'), false);
});

test('G3: a pattern that is not RE2 is named', () => {
  assert.throws(() => namespaceFilter(['fine', '(?=x)']), /ignore-namespace: "\(\?=x\)"/);
  assert.throws(() => new TestView({ ignoreNamespaces: ['('] }), /not an RE2 pattern/);
});

test('G3, A21, A22: pods of ignored namespaces get nothing and are not counted', () => {
  const view = new TestView({ ignoreNamespaces: ['kube'] });
  view.set('Namespace', namespace('my-kube-x'));
  view.set('Pod', pod(), pod({ namespace: 'my-kube-x', uid: 'ignored' }));
  view.set('ClusterSPIFFEID', policy('all'));
  assert.deepEqual(view.ids(), [SA_ID]);
  assert.deepEqual(view.ids('ignored'), []);
  assert.equal(view.refusal('ignored'), 'NoPolicy');
  assert.deepEqual(view.stats('all'), {
    namespacesSelected: 2,
    namespacesIgnored: 1,
    podsSelected: 1,
    podEntryRenderFailures: 0,
    entriesMasked: 0,
    entriesToSet: 1,
    entryFailures: 0,
  });
});
