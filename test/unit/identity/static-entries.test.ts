// ClusterStaticEntries: which pods they name, and which they leave alone.

import assert from 'node:assert/strict';
import { beforeEach, suite, test } from 'node:test';
import { staticEntryStatus } from '../../../src/identity/static-entry-status.ts';
import {
  NOW,
  namespace,
  node,
  pod,
  policy,
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

suite('which pods an entry names', () => {
  for (const [what, selectors, isServed] of [
    ['B3: namespace and ServiceAccount', ['k8s:ns:city', 'k8s:sa:agent'], true],
    ['another namespace', ['k8s:ns:town', 'k8s:sa:agent'], false],
    ['another ServiceAccount', ['k8s:ns:city', 'k8s:sa:other'], false],
    ['its name', ['k8s:pod-name:web-0'], true],
    ['its UID', ['k8s:pod-uid:uid-web-0'], true],
    ['the UID of another', ['k8s:pod-uid:uid-web-1'], false],
    ['a label', ['k8s:pod-label:app:web'], true],
    ['a label with a colon in its value', ['k8s:pod-label:app:web:x'], false],
    ['a label that every object has', ['k8s:pod-label:constructor:x'], false],
    ['its node', ['k8s:node-name:node-1'], true],
    ['a label of its namespace', ['k8s:ns-label:team:a'], true],
    ['its owner', ['k8s:pod-owner:ReplicaSet:web'], true],
    ['its image', ['k8s:pod-image:registry.test/agent:1'], true],
    ['the same selector twice', ['k8s:ns:city', 'k8s:ns:city'], true],
    ['two namespaces at once', ['k8s:ns:city', 'k8s:ns:town'], false],
  ] as const) {
    test(what, () => {
      view.set('Namespace', namespace('city', { team: 'a' }));
      const ownerReferences = [{ kind: 'ReplicaSet', name: 'web', uid: 'r' }];
      view.set('Pod', pod({ labels: { app: 'web' }, ownerReferences }));
      view.set('ClusterStaticEntry', staticEntry('one', { selectors: [...selectors] }));
      assert.deepEqual(view.ids(), isServed ? [STATIC_ID] : []);
      assert.equal(standing(view, 'one'), `rendered set ${isServed ? 'Serving' : 'NoPods'}`);
    });
  }

  for (const selector of [
    'unix:uid:1000',
    'k8s:container-name:main',
    'docker:label:a:b',
    'k8s:x:y',
  ]) {
    test(`B13: ${selector} is said not to be decidable, and nobody is served`, () => {
      const errors = view.set(
        'ClusterStaticEntry',
        staticEntry('one', { selectors: ['k8s:ns:city', selector] }),
      );
      assert.deepEqual([errors, view.ids(), view.refusal()], [[], [], 'NoPolicy']);
      assert.equal(standing(view, 'one'), 'rendered Unsupported');
      assert.match(
        staticEntryStatus(view, 'one', { previous: [], now: NOW })?.conditions[0]?.message ?? '',
        new RegExp(`"${selector}"`),
      );
    });
  }

  test('an image that a pod does not name is not disproven, so that pod is not served', () => {
    view.set(
      'ClusterStaticEntry',
      staticEntry('one', { selectors: ['k8s:ns:city', 'k8s:pod-image:x'] }),
    );
    assert.deepEqual([view.ids(), view.refusal()], [[], 'Undecidable']);
    assert.equal(standing(view, 'one'), 'rendered Undecidable');
  });

  test('changes of a pod count, and the entry follows it', () => {
    view.set('ClusterStaticEntry', staticEntry('one', { selectors: ['k8s:pod-label:app:web'] }));
    assert.deepEqual(view.ids(), []);
    view.set('Pod', pod({ labels: { app: 'web' } }));
    assert.deepEqual(view.ids(), [STATIC_ID]);
    view.remove('ClusterStaticEntry', staticEntry('one'));
    assert.deepEqual([view.ids(), standing(view, 'one')], [[], 'no status']);
  });

  test('G3: ignored namespaces are no matter of static entries; pods of nodes are', () => {
    const ignoring = new TestView({ ignoreNamespaces: ['city'] });
    ignoring.set('Pod', pod());
    ignoring.set('ClusterSPIFFEID', policy('p'));
    ignoring.set('ClusterStaticEntry', staticEntry('one'));
    assert.deepEqual(ignoring.ids(), [STATIC_ID]);
    ignoring.set('Pod', pod({ annotations: { 'kubernetes.io/config.mirror': 'x' } }));
    assert.deepEqual([ignoring.ids(), ignoring.refusal()], [[], 'NodePod']);
  });
});

suite('B2: the nodes that a parent stands for', () => {
  const child = staticEntry('one', { parentID: NODES });
  const alias = (...selectors: string[]) =>
    staticEntry('alias', { spiffeID: NODES, parentID: SERVER, selectors });

  test('an agent is known by the UID of its node', () => {
    view.set('ClusterStaticEntry', staticEntry('one'));
    assert.deepEqual(view.ids(), [STATIC_ID]);
    view.set('Pod', pod({}, { nodeName: 'node-2' }));
    assert.deepEqual([view.ids(), view.refusal()], [[], 'ViewBehind'], 'no Node object, no answer');
    view.set('Node', node('node-2'));
    assert.deepEqual([view.ids(), view.refusal()], [[], 'NoPolicy']);
  });

  for (const [selectors, says] of [
    [['k8s_psat:cluster:cluster'], 'Serving'],
    [['k8s_psat:agent_node_name:node-1'], 'Serving'],
    [['k8s_psat:agent_node_uid:uid-node-1', 'k8s_psat:cluster:cluster'], 'Serving'],
    [['k8s_psat:agent_node_label:zone:z'], 'Serving'],
    [['k8s_psat:agent_node_label:zone:y'], 'NoPods'],
    [['k8s_psat:agent_node_name:node-2'], 'NoPods'],
    [['k8s_psat:cluster:other'], 'Unsupported'],
    [['k8s_psat:cluster:cluster', 'k8s_psat:agent_ns:spire'], 'Unsupported'],
    [['k8s:ns:city'], 'Unsupported'],
  ] as const) {
    test(`${selectors.join(' and ')}: ${says}`, () => {
      view.set('Node', node('node-1', { zone: 'z' }));
      view.set('ClusterStaticEntry', child);
      assert.equal(standing(view, 'one'), 'rendered Unsupported', 'nobody says what the parent is');
      view.set('ClusterStaticEntry', alias(...selectors));
      assert.deepEqual(view.ids(), says === 'Serving' ? [STATIC_ID] : []);
      assert.equal(
        standing(view, 'one'),
        `rendered ${says === 'Unsupported' ? '' : 'set '}${says}`,
      );
      view.remove('ClusterStaticEntry', alias());
      assert.deepEqual(view.ids(), []);
    });
  }

  test('an entry that names nodes gives pods nothing, and says so', () => {
    view.set('ClusterStaticEntry', alias('k8s_psat:cluster:cluster'));
    assert.equal(standing(view, 'alias'), 'rendered set NodeAlias');
    assert.deepEqual(view.ids(), []);
  });

  test('of two entries that name the same parent either will do', () => {
    view.set('ClusterStaticEntry', child, alias('k8s_psat:agent_node_name:node-2'));
    const other = { spiffeID: NODES, parentID: SERVER, selectors: ['k8s_psat:cluster:cluster'] };
    view.set('ClusterStaticEntry', staticEntry('other', other));
    assert.deepEqual(view.ids(), [STATIC_ID]);
    view.set('ClusterStaticEntry', staticEntry('other', { ...other, className: 'somebody' }));
    assert.deepEqual(view.ids(), []);
  });

  for (const [parentID, says] of [
    ['spiffe://example.org/spire/agent/k8s_psat/other/uid-node-1', 'NoNode'],
    ['spiffe://example.org/spire/agent/join_token/x', 'Unsupported'],
    ['spiffe://other.test/nodes', 'EntryRefused'],
  ] as const) {
    test(`${parentID}: ${says}`, () => {
      view.set('ClusterStaticEntry', staticEntry('one', { parentID }));
      assert.deepEqual([view.ids(), standing(view, 'one')], [[], `rendered ${says}`]);
    });
  }
});

test('B4–B8: what an entry says is what the pod gets', () => {
  const spec = {
    federatesWith: ['partner.test'],
    x509SVIDTTL: '20m',
    jwtSVIDTTL: '2m',
    dnsNames: ['batch.example.org', 'b.example.org', 'b.example.org'],
    hint: 'batch',
    admin: true,
    downstream: true,
  };
  view.set('ClusterStaticEntry', staticEntry('one', spec));
  const [identity] = view.decision('uid-web-0', NOW)?.identities ?? [];
  assert.deepEqual(
    { ...identity, limits: undefined },
    {
      policy: 'ClusterStaticEntry/one',
      policyUid: 'uid-one',
      generation: 3,
      spiffeId: STATIC_ID,
      selectors: ['k8s:ns:city', 'k8s:sa:agent'],
      dnsNames: ['batch.example.org', 'b.example.org'],
      commonName: 'batch.example.org',
      x509TtlSeconds: 1200,
      jwtTtlSeconds: 120,
      hint: 'batch',
      federatesWith: ['partner.test'],
      federatesWithMatching: undefined,
      jwtClaims: {},
      jwtIncludeJti: false,
      limits: undefined,
    },
  );
});

for (const [field, spec, says] of [
  ['B1', { spiffeID: 'spiffe://other.test/x' }, 'rendered EntryRefused'],
  ['B1', { spiffeID: 'spiffe://example.org/signet/issuer' }, 'rendered EntryRefused'],
  ['B1, B11', { spiffeID: 'batch' }, 'Invalid'],
  ['B5', { x509SVIDTTL: '-1h' }, 'rendered EntryRefused'],
  ['B7', { dnsNames: ['a b'] }, 'rendered EntryRefused'],
  ['B7', { dnsNames: ['issuer.signet.svc'] }, 'rendered EntryRefused'],
  ['B8', { hint: 'h'.repeat(1025) }, 'rendered EntryRefused'],
  ['B9', { storeSVID: true }, 'rendered Unsupported'],
] as const) {
  test(`${field}: ${JSON.stringify(spec).slice(0, 60)} serves nobody: ${says}`, () => {
    const reserving = new TestView({ reservedDnsNames: ['issuer.signet.svc'] });
    reserving.set('Pod', pod());
    reserving.set('ClusterStaticEntry', staticEntry('one', spec));
    assert.deepEqual([reserving.ids(), standing(reserving, 'one')], [[], says]);
  });
}

test('B10: an entry of another class is never touched', () => {
  view.set('ClusterStaticEntry', staticEntry('one', { className: 'mine', spiffeID: 'broken' }));
  assert.deepEqual([view.ids(), standing(view, 'one')], [[], 'no status']);
});
