// Fallbacks, masking, and the order of a pod's identities.

import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import type { JsonObject } from '../../../src/template/json-value.ts';
import { node, pod, policy, SA_ID, TestView } from './fixtures.ts';

const FALLBACK_ID = 'spiffe://example.org/fallback';
const fallback = policy('fallback', { spiffeIDTemplate: FALLBACK_ID, fallback: true });

function viewOf(...policies: readonly JsonObject[]): TestView {
  const view = new TestView();
  view.set('Pod', pod());
  view.set('ClusterSPIFFEID', ...policies);
  return view;
}

suite('A13, R4: a fallback applies', () => {
  const rows: readonly [string, JsonObject][] = [
    ['when a template fails', { spiffeIDTemplate: 'spiffe://example.org/{{ .PodMeta.Labels.x }}' }],
    ['when the trust domain is another', { spiffeIDTemplate: 'spiffe://other.test/x' }],
    ['when the entry is refused', { ttl: '-1h' }],
    ['when the path is reserved', { spiffeIDTemplate: 'spiffe://example.org/spire/x' }],
    ['when a selector is about other pods', { workloadSelectorTemplates: ['k8s:ns:other'] }],
    ['when a selector is undecidable', { workloadSelectorTemplates: ['unix:uid:0'] }],
    ['when no policy selects the pod', { podSelector: { matchLabels: { app: 'x' } } }],
    ['when no policy selects its namespace', { namespaceSelector: { matchLabels: { env: 'x' } } }],
  ];
  for (const [name, spec] of rows) {
    test(`A13, R4: ${name}`, () => {
      const view = viewOf(policy('first', spec), fallback);
      assert.deepEqual(view.ids(), [FALLBACK_ID]);
      assert.equal(view.refusal(), '');
      assert.equal(view.stats('fallback').entriesToSet, 1);
      view.set('ClusterSPIFFEID', policy('first'));
      assert.deepEqual(view.ids(), [SA_ID]);
    });
  }
});

test('A13: a fallback is not used, nor counted, where another policy serves', () => {
  const view = viewOf(fallback, policy('first'));
  assert.deepEqual(view.ids(), [SA_ID]);
  const { podsSelected, entriesToSet, entriesMasked, entryFailures } = view.stats('fallback');
  assert.deepEqual([podsSelected, entriesToSet, entriesMasked, entryFailures], [1, 0, 0, 0]);
  view.remove('ClusterSPIFFEID', policy('first'));
  assert.deepEqual(view.ids(), [FALLBACK_ID]);
});

test('A13: all fallbacks of a pod apply together', () => {
  const second = policy('second', { fallback: true });
  assert.deepEqual(viewOf(fallback, second).ids().toSorted(), [FALLBACK_ID, SA_ID]);
});

test('R3: a fallback that is not used masks nobody, however old', () => {
  const old = { creationTimestamp: '2020-01-01T00:00:00Z' };
  const view = viewOf(policy('old', { fallback: true }, old), policy('first'));
  assert.deepEqual(view.policies(), ['first']);
  assert.equal(view.stats('first').entriesMasked, 0);
});

test("A13, R4: Istio's gateway policy does not take the fallback from all other pods", () => {
  const gateway = policy('istio-ingressgateway-reg', {
    workloadSelectorTemplates: [
      'k8s:ns:istio-system',
      'k8s:sa:istio-ingressgateway-service-account',
    ],
  });
  const sidecar = policy('istio-sidecar-reg', {
    workloadSelectorTemplates: [
      'k8s:ns:default',
      'k8s:pod-label:spiffe.io/spire-managed-identity:true',
    ],
  });
  const view = viewOf(gateway, sidecar, fallback);
  assert.deepEqual(view.ids(), [FALLBACK_ID]);
  view.set('Namespace', { metadata: { name: 'istio-system' } });
  view.set(
    'Pod',
    pod(
      { namespace: 'istio-system', name: 'gw', uid: 'gw' },
      { serviceAccountName: 'istio-ingressgateway-service-account' },
    ),
  );
  assert.deepEqual(view.policies('gw'), ['istio-ingressgateway-reg']);
});

test('A13: while a policy cannot be judged, no fallback stands in and nothing else is served', () => {
  const reader = policy('reader', {
    spiffeIDTemplate: 'spiffe://example.org/{{ .NodeMeta.Labels.zone }}',
  });
  const view = viewOf(reader, fallback);
  view.set('Node', node('node-1', { zone: 'z1' }));
  assert.deepEqual(view.ids(), ['spiffe://example.org/z1']);
  view.remove('Node', node());
  assert.deepEqual(view.ids(), []);
  assert.equal(view.refusal(), 'ViewBehind');
  view.set('ClusterSPIFFEID', policy('first'));
  assert.equal(view.refusal(), 'ViewBehind');
  assert.deepEqual(view.ids(), []);
  view.set('Node', node('node-1', { zone: 'z2' }));
  assert.deepEqual(view.ids(), [SA_ID, 'spiffe://example.org/z2']);
  view.remove('ClusterSPIFFEID', reader);
  view.remove('Node', node());
  assert.deepEqual(view.ids(), [SA_ID], 'no policy left that reads the node');
});

test('A13: a fallback that cannot be judged is no matter where it is not used', () => {
  const reader = policy('reader', {
    fallback: true,
    spiffeIDTemplate: 'spiffe://example.org/{{ .NodeMeta.Name }}',
  });
  const view = viewOf(reader, policy('first'));
  view.remove('Node', node());
  assert.deepEqual(view.ids(), [SA_ID]);
});

suite('R3: the same entry from two policies', () => {
  const rows: readonly [string, JsonObject, JsonObject, string][] = [
    ['the older wins', { creationTimestamp: '2026-01-02T00:00:00Z' }, {}, 'b'],
    [
      'age before deletion',
      {},
      { creationTimestamp: '2025-01-01T00:00:00Z', deletionTimestamp: '2026-01-02T00:00:00Z' },
      'b',
    ],
    ['then the one not being deleted', { deletionTimestamp: '2026-01-02T00:00:00Z' }, {}, 'b'],
    ['then the lower UID', { uid: 'z' }, { uid: 'y' }, 'b'],
    ['the name does not count', { uid: '1' }, { uid: '2' }, 'a'],
  ];
  for (const [name, a, b, winner] of rows) {
    test(`R3: ${name}`, () => {
      for (const policies of [
        [policy('a', {}, a), policy('b', {}, b)],
        [policy('b', {}, b), policy('a', {}, a)],
      ]) {
        const view = viewOf(...policies);
        assert.deepEqual(view.policies(), [winner]);
        const loser = winner === 'a' ? 'b' : 'a';
        assert.deepEqual(
          [view.stats(winner).entriesToSet, view.stats(winner).entriesMasked],
          [1, 0],
        );
        assert.deepEqual([view.stats(loser).entriesToSet, view.stats(loser).entriesMasked], [0, 1]);
      }
    });
  }

  test('R3: whoever is masked comes back when the winner goes', () => {
    const view = viewOf(policy('a', {}, { uid: '1' }), policy('b', {}, { uid: '2' }));
    view.remove('ClusterSPIFFEID', policy('a'));
    assert.deepEqual(view.policies(), ['b']);
    assert.equal(view.stats('b').entriesMasked, 0);
  });

  test('R3: other selectors are another entry, in whatever order they are written', () => {
    const view = viewOf(
      policy('a', { workloadSelectorTemplates: ['k8s:ns:city', 'k8s:sa:agent'] }),
      policy('b', {
        workloadSelectorTemplates: ['k8s:sa:agent', 'k8s:ns:city', 'k8s:ns:city'],
      }),
      policy('c', { workloadSelectorTemplates: ['k8s:ns:city'] }),
      policy('d'),
    );
    assert.deepEqual(view.policies(), ['a', 'c', 'd']);
    assert.equal(view.stats('b').entriesMasked, 1);
  });

  test('R3: different IDs are no conflict', () => {
    const view = viewOf(policy('a'), policy('b', { spiffeIDTemplate: 'spiffe://example.org/b' }));
    assert.deepEqual(view.ids(), [SA_ID, 'spiffe://example.org/b']);
  });

  test('R3: the stricter limits of all hold; a limit that is not set is none', () => {
    const view = viewOf(
      policy('a', { ttl: '1h' }),
      policy('b', { ttl: '5m', jwtTtl: '2m' }),
      policy('c', { ttl: '30m', jwtTtl: '10m' }),
    );
    const [identity, ...more] = view.decision('uid-web-0', 0)?.identities ?? [];
    assert.equal(more.length, 0);
    assert.equal(identity?.policy, 'a');
    assert.equal(identity?.x509TtlSeconds, 300);
    assert.equal(identity?.jwtTtlSeconds, 120);
    view.remove('ClusterSPIFFEID', policy('b'));
    const [after] = view.decision('uid-web-0', 0)?.identities ?? [];
    assert.deepEqual([after?.x509TtlSeconds, after?.jwtTtlSeconds], [1800, 600]);
    assert.ok(view.takeChanged(0).has('uid-web-0'));
  });

  test('R3: a masked policy that is refused limits nothing', () => {
    const view = viewOf(policy('a', { ttl: '1h' }), policy('b', { ttl: '-1s' }));
    assert.equal(view.decision('uid-web-0', 0)?.identities[0]?.x509TtlSeconds, 3600);
  });
});

const own = (name: string, spec: JsonObject = {}, metadata: JsonObject = {}) =>
  policy(name, { spiffeIDTemplate: `spiffe://example.org/${name}`, ...spec }, metadata);

suite('WA-38: the first identity is the default one', () => {
  const late = { creationTimestamp: '2026-02-01T00:00:00Z' };
  const rows: readonly [string, readonly JsonObject[], readonly string[]][] = [
    ['by name when nothing else differs', [own('b'), own('a')], ['a', 'b']],
    ['the older before the name', [own('a', {}, late), own('b')], ['b', 'a']],
    [
      'priority before age, the higher first',
      [own('a', { priority: -1 }), own('b'), own('c', { priority: 2 }, late)],
      ['c', 'b', 'a'],
    ],
  ];
  for (const [name, policies, expected] of rows) {
    test(`WA-38: ${name}`, () => {
      assert.deepEqual(viewOf(...policies).policies(), expected);
      assert.deepEqual(viewOf(...policies.toReversed()).policies(), expected);
    });
  }
});

test('WA-18, PF-04: a hint is unique; the first identity keeps it', () => {
  const view = viewOf(own('a', { hint: 'x' }), own('b', { hint: 'x' }), own('c', { hint: 'y' }));
  const hints = () => view.decision('uid-web-0', 0)?.identities.map(({ hint }) => hint);
  assert.deepEqual(hints(), ['x', '', 'y']);
  view.set('ClusterSPIFFEID', own('b', { hint: 'x', priority: 1 }));
  assert.deepEqual(view.policies(), ['b', 'a', 'c']);
  assert.deepEqual(hints(), ['x', '', 'y']);
});

test('WA-18: a suspended identity keeps no hint', () => {
  const view = viewOf(own('a', { hint: 'x' }), own('b', { hint: 'x' }));
  view.set('IdentityRestriction', {
    metadata: { name: 'stop' },
    spec: { match: { spiffeID: 'spiffe://example.org/a' }, suspend: true },
  });
  const [only] = view.decision('uid-web-0', 0)?.identities ?? [];
  assert.deepEqual([only?.policy, only?.hint], ['b', 'x']);
});
