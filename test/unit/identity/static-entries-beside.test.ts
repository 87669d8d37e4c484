// ClusterStaticEntries beside others: policies, restrictions, one another; and what profile strict
// refuses of them.

import assert from 'node:assert/strict';
import { beforeEach, suite, test } from 'node:test';
import { explainPod } from '../../../src/identity/explain.ts';
import {
  NOW,
  node,
  pod,
  policy,
  restriction,
  SERVER,
  STATIC_ID,
  standing,
  staticEntry,
  TestView,
} from './fixtures.ts';

const NODES = 'spiffe://example.org/nodes';

let view: TestView;
beforeEach(() => {
  view = new TestView();
  view.set('Pod', pod());
});

suite('beside others', () => {
  const young = { creationTimestamp: '2026-01-02T00:00:00Z' };

  test('B12, R3: of two that say the same the older is in effect, with the stricter limits', () => {
    view.set(
      'ClusterStaticEntry',
      staticEntry('new', { x509SVIDTTL: '5m' }, young),
      staticEntry('old'),
    );
    assert.deepEqual(view.policies(), ['ClusterStaticEntry/old']);
    assert.equal(view.decision('uid-web-0', NOW)?.identities[0]?.x509TtlSeconds, 300);
    assert.deepEqual(
      [standing(view, 'old'), standing(view, 'new')],
      ['rendered set Serving', 'rendered masked Masked'],
    );
    view.remove('ClusterStaticEntry', staticEntry('old'));
    assert.equal(standing(view, 'new'), 'rendered set Serving');
  });

  test('B12, R1, R3: a ClusterSPIFFEID makes the entry of a pod, which an older one has already', () => {
    const own = staticEntry('own', { selectors: ['k8s:pod-uid:uid-web-0'] });
    view.set('ClusterSPIFFEID', policy('p', { spiffeIDTemplate: STATIC_ID }, young));
    view.set('ClusterStaticEntry', own);
    assert.deepEqual(view.policies(), ['ClusterStaticEntry/own']);
    assert.equal(view.stats('p').entriesMasked, 1);
    view.set(
      'ClusterSPIFFEID',
      policy('p', { spiffeIDTemplate: STATIC_ID }, { creationTimestamp: '2025-01-01T00:00:00Z' }),
    );
    assert.deepEqual(view.policies(), ['p']);
    assert.equal(standing(view, 'own'), 'rendered masked Masked');
  });

  test('R3: the same STATIC_ID by other selectors is no conflict', () => {
    view.set('ClusterSPIFFEID', policy('p', { spiffeIDTemplate: STATIC_ID }, young));
    view.set('ClusterStaticEntry', staticEntry('one'));
    assert.deepEqual(view.policies(), ['ClusterStaticEntry/one', 'p']);
  });

  test('A13: a static entry leaves a fallback in place', () => {
    view.set('ClusterSPIFFEID', policy('f', { fallback: true }));
    view.set('ClusterStaticEntry', staticEntry('one'));
    assert.deepEqual(view.policies(), ['ClusterStaticEntry/one', 'f']);
  });

  test('a policy of the same name is another object', () => {
    view.set('ClusterSPIFFEID', policy('one'));
    view.set('ClusterStaticEntry', staticEntry('one'));
    assert.equal(view.ids().length, 2);
    view.remove('ClusterSPIFFEID', policy('one'));
    assert.deepEqual(view.ids(), [STATIC_ID]);
  });

  test('an IdentityRestriction suspends it like any other', () => {
    view.set('ClusterStaticEntry', staticEntry('one'));
    view.set(
      'IdentityRestriction',
      restriction('stop', { match: { spiffeID: STATIC_ID }, suspend: true }),
    );
    assert.deepEqual([view.ids(), view.refusal()], [[], 'Suspended']);
  });
});

test('explain names the entry, its writer, and the selector that a pod does not meet', () => {
  view.set(
    'ClusterStaticEntry',
    staticEntry('one'),
    staticEntry('two', { selectors: ['k8s:ns:town'] }),
  );
  view.set('ClusterStaticEntry', staticEntry('three', { selectors: ['unix:uid:0'] }));
  const policies = explainPod(view, 'uid-web-0', NOW)?.policies ?? [];
  assert.deepEqual(
    policies.map(({ policy, outcome }) => `${policy} ${outcome}`),
    [
      'ClusterStaticEntry/one Served',
      'ClusterStaticEntry/two PodNotSelected',
      'ClusterStaticEntry/three Unsupported',
    ],
  );
  assert.deepEqual(policies[0]?.provenance, [{ text: STATIC_ID, from: 'operator' }]);
  assert.match(policies[1]?.message ?? '', /"k8s:ns:town" does not hold/);
});

suite('profile strict', () => {
  const strict = () => {
    const made = new TestView({ profile: 'strict' });
    made.set('Pod', pod({ labels: { app: 'web' } }));
    return made;
  };
  for (const [selectors, isServed] of [
    [['k8s:sa:agent'], false],
    [['k8s:pod-label:app:web'], false],
    [['k8s:ns:city', 'k8s:pod-label:app:web'], true],
    [['k8s:pod-uid:uid-web-0'], true],
  ] as const) {
    test(`${selectors.join(' and ')} ${isServed ? 'binds' : 'does not bind'} the STATIC_ID to a namespace`, () => {
      const made = strict();
      made.set('ClusterStaticEntry', staticEntry('one', { selectors: [...selectors] }));
      assert.deepEqual(made.ids(), isServed ? [STATIC_ID] : []);
    });
  }

  for (const [key, isServed] of [
    ['zone', false],
    ['node-restriction.kubernetes.io/zone', true],
  ] as const) {
    test(`a node is ${isServed ? '' : 'not '}told by its label ${key}`, () => {
      const made = strict();
      made.set('Node', node('node-1', { [key]: 'z' }));
      const selectors = [`k8s_psat:agent_node_label:${key}:z`];
      made.set(
        'ClusterStaticEntry',
        staticEntry('a', { spiffeID: NODES, parentID: SERVER, selectors }),
      );
      made.set('ClusterStaticEntry', staticEntry('one', { parentID: NODES }));
      assert.deepEqual(made.ids(), isServed ? [STATIC_ID] : []);
    });
  }
});
