// IdentityRestrictions: what they are about, how they add up, when they end.

import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import type { Limits } from '../../../src/identity/restrict.ts';
import type { JsonObject } from '../../../src/template/json-value.ts';
import { NOW, pod, policy, restriction, SA_ID, TestView } from './fixtures.ts';

const OTHER_ID = 'spiffe://example.org/other';
const owner = { kind: 'ReplicaSet', name: 'web-7f', uid: 'rs-uid', controller: true };

/** A pod with two identities. */
function viewOf(...restrictions: readonly JsonObject[]): TestView {
  const view = new TestView();
  view.set('Pod', pod({ ownerReferences: [owner] }));
  view.set('ClusterSPIFFEID', policy('a'), policy('b', { spiffeIDTemplate: OTHER_ID }));
  view.set('IdentityRestriction', ...restrictions);
  return view;
}

function limitsOf(view: TestView, id = SA_ID): Limits | undefined {
  return view.decision('uid-web-0', NOW)?.identities.find(({ spiffeId }) => spiffeId === id)
    ?.limits;
}

suite('IdentityRestriction: match', () => {
  const rows: readonly [string, JsonObject, readonly string[]][] = [
    ['all', { all: true }, []],
    ['an exact ID', { spiffeID: SA_ID }, [OTHER_ID]],
    ['an ID that is only a beginning', { spiffeID: 'spiffe://example.org/ns' }, [SA_ID, OTHER_ID]],
    ['a prefix', { spiffeIDPrefix: 'spiffe://example.org/ns/city' }, [OTHER_ID]],
    ['a prefix that is the whole ID', { spiffeIDPrefix: SA_ID }, [OTHER_ID]],
    [
      'a prefix within a segment',
      { spiffeIDPrefix: 'spiffe://example.org/ns/ci' },
      [SA_ID, OTHER_ID],
    ],
    ['a prefix longer than the ID', { spiffeIDPrefix: `${SA_ID}/x` }, [SA_ID, OTHER_ID]],
    ['the trust domain as prefix', { spiffeIDPrefix: 'spiffe://example.org' }, []],
    [
      'a trust domain that begins alike',
      { spiffeIDPrefix: 'spiffe://example.or' },
      [SA_ID, OTHER_ID],
    ],
    ['the namespace', { namespace: 'city' }, []],
    ['another namespace', { namespace: 'other' }, [SA_ID, OTHER_ID]],
    ['the ServiceAccount', { serviceAccount: 'agent' }, []],
    ['another ServiceAccount', { serviceAccount: 'default' }, [SA_ID, OTHER_ID]],
    ['the pod', { podUID: 'uid-web-0' }, []],
    ['another pod', { podUID: 'uid-web' }, [SA_ID, OTHER_ID]],
    ['the node', { node: 'node-1' }, []],
    ['another node', { node: 'node-10' }, [SA_ID, OTHER_ID]],
    ['the owner', { owner: { kind: 'ReplicaSet', name: 'web-7f' } }, []],
    [
      'the owner with its UID',
      { owner: { kind: 'ReplicaSet', name: 'web-7f', uid: 'rs-uid' } },
      [],
    ],
    [
      "the owner's successor",
      { owner: { kind: 'ReplicaSet', name: 'web-7f', uid: 'x' } },
      [SA_ID, OTHER_ID],
    ],
    ['an owner of another kind', { owner: { kind: 'Job', name: 'web-7f' } }, [SA_ID, OTHER_ID]],
    ['all that is set: both hold', { namespace: 'city', spiffeID: SA_ID }, [OTHER_ID]],
    ['all that is set: one fails', { namespace: 'other', spiffeID: SA_ID }, [SA_ID, OTHER_ID]],
  ];
  for (const [name, match, left] of rows) {
    test(`match: ${name}`, () => {
      const view = viewOf(restriction('r', { match, suspend: true }));
      assert.deepEqual(view.ids(), left);
      assert.equal(view.refusal(), left.length === 0 ? 'Suspended' : '');
      assert.equal(view.takeChanged(NOW).has('uid-web-0'), true);
    });
  }
});

test('restrictions: a pod without a node or owner is not matched by either', () => {
  const view = viewOf();
  view.set('Pod', pod({}, { nodeName: undefined }));
  const at = restriction('r', { match: { node: 'node-1' }, suspend: true });
  view.set('IdentityRestriction', at);
  view.takeChanged(NOW);
  assert.equal(view.refusal(), 'RenderFailed');
});

test('restrictions: several add up, and the strictest wins', () => {
  const match = { namespace: 'city' };
  const view = viewOf(
    restriction('a', { match, maxX509SVIDTTL: '10m', allowedAudiences: ['x', 'y'], jwt: 'Deny' }),
    restriction('b', {
      match,
      maxX509SVIDTTL: '5m',
      maxJWTSVIDTTL: '1m',
      allowedAudiences: ['y', 'z'],
    }),
    restriction('c', { match: { spiffeID: OTHER_ID }, maxJWTSVIDTTL: '30s', sds: 'Deny' }),
  );
  assert.deepEqual(limitsOf(view), {
    suspendedBy: undefined,
    jwtDenied: true,
    sdsDenied: false,
    allowedAudiences: ['y'],
    maxX509TtlSeconds: 300,
    maxJwtTtlSeconds: 60,
  });
  assert.deepEqual(limitsOf(view, OTHER_ID), {
    suspendedBy: undefined,
    jwtDenied: true,
    sdsDenied: true,
    allowedAudiences: ['y'],
    maxX509TtlSeconds: 300,
    maxJwtTtlSeconds: 30,
  });
});

test('restrictions: audiences with nothing in common leave none, and so does an empty list', () => {
  const match = { all: true };
  const apart = viewOf(
    restriction('a', { match, allowedAudiences: ['x'] }),
    restriction('b', { match, allowedAudiences: ['y'] }),
  );
  assert.deepEqual(limitsOf(apart)?.allowedAudiences, []);
  const none = viewOf(restriction('a', { match, allowedAudiences: [] }));
  assert.deepEqual(limitsOf(none)?.allowedAudiences, []);
  assert.equal(limitsOf(viewOf())?.allowedAudiences, undefined);
});

test('restrictions: a fallback does not stand in for what is suspended', () => {
  const view = new TestView();
  view.set('Pod', pod());
  view.set('ClusterSPIFFEID', policy('a'));
  view.set('ClusterSPIFFEID', policy('f', { spiffeIDTemplate: OTHER_ID, fallback: true }));
  view.set('IdentityRestriction', restriction('r', { match: { spiffeID: SA_ID }, suspend: true }));
  assert.deepEqual(view.ids(), []);
  assert.equal(view.refusal(), 'Suspended');
});

test('restrictions: deleting the last that suspends gives identities back, and tells', () => {
  const both = ['r1', 'r2'].map((name) =>
    restriction(name, { match: { namespace: 'city' }, suspend: true }),
  );
  const view = viewOf(...both);
  for (const [index, each] of both.entries()) {
    view.takeChanged(NOW);
    view.remove('IdentityRestriction', each);
    assert.equal(view.takeChanged(NOW).has('uid-web-0'), true);
    assert.equal(view.ids().length, index === 0 ? 0 : 2);
  }
});

test('restrictions: an edit moves the suspension, and both pods are told', () => {
  const view = viewOf(restriction('r', { match: { podUID: 'uid-web-0' }, suspend: true }));
  view.set('Pod', pod({ name: 'web-1', uid: 'uid-web-1' }));
  view.takeChanged(NOW);
  view.set(
    'IdentityRestriction',
    restriction('r', { match: { podUID: 'uid-web-1' }, suspend: true }),
  );
  assert.deepEqual([...view.takeChanged(NOW)].toSorted(), ['uid-web-0', 'uid-web-1']);
  assert.equal(view.refusal(), '');
  assert.equal(view.refusal('uid-web-1'), 'Suspended');
});

test('restrictions: a pod that comes later is restricted as well', () => {
  const view = viewOf(restriction('r', { match: { namespace: 'city' }, suspend: true }));
  view.set('Pod', pod({ name: 'web-1', uid: 'uid-web-1' }));
  assert.equal(view.refusal('uid-web-1'), 'Suspended');
});

suite('restrictions: an edit that does not parse keeps the last one', () => {
  const match = { namespace: 'city' };
  const rows: readonly [string, JsonObject][] = [
    ['an empty match', { match: {}, suspend: false }],
    ['all beside a part', { match: { all: true, namespace: 'x' } }],
    ['a time that is none', { match, suspend: true, until: 'tomorrow' }],
    ['an empty time', { match, suspend: true, until: '' }],
    ['a misspelt Deny', { match, jwt: 'deny' }],
    ['a limit of nothing', { match, maxX509SVIDTTL: '0s' }],
    ['an ID that is none', { match: { spiffeID: 'example.org/x' } }],
    ['a type that is another', { match, suspend: 'false' }],
  ];
  for (const [name, spec] of rows) {
    test(`restrictions: ${name}`, () => {
      const view = viewOf(restriction('r', { match, suspend: true }));
      assert.notDeepEqual(view.set('IdentityRestriction', restriction('r', spec)), []);
      assert.equal(view.refusal(), 'Suspended');
    });
  }
});

suite('restrictions: until', () => {
  const until = (time: string) =>
    restriction('r', { match: { all: true }, suspend: true, until: time });
  const END = Date.parse('2026-01-01T13:00:00Z');

  test('until: in the past it has no effect', () => {
    assert.equal(viewOf(until('2026-01-01T11:59:59Z')).refusal(), '');
    assert.equal(viewOf(until('2026-01-01T12:00:00Z')).refusal(), '');
  });

  test('until: when time runs out the pods concerned are told once', () => {
    const view = viewOf(until('2026-01-01T13:00:00Z'));
    assert.equal(view.restrictions.nextEnd(NOW), END);
    assert.equal(view.refusal('uid-web-0', END - 1), 'Suspended');
    view.takeChanged(NOW);
    assert.deepEqual([...view.takeChanged(END - 1)], []);
    const version = view.restrictions.version;
    assert.deepEqual([...view.takeChanged(END)], ['uid-web-0']);
    assert.ok(view.restrictions.version > version);
    assert.equal(view.refusal('uid-web-0', END), '');
    assert.deepEqual([...view.takeChanged(END + 1)], []);
    assert.equal(view.restrictions.nextEnd(END), undefined);
  });

  test('until: the next end is the earliest of those in force', () => {
    const view = viewOf(
      restriction('a', { match: { all: true }, until: '2026-01-01T14:00:00Z' }),
      restriction('b', { match: { all: true }, until: '2026-01-01T13:00:00Z' }),
      restriction('c', { match: { all: true }, until: '2025-01-01T00:00:00Z' }),
      restriction('d', { match: { all: true } }),
    );
    assert.equal(view.restrictions.nextEnd(NOW), END);
    assert.equal(view.restrictions.nextEnd(END), Date.parse('2026-01-01T14:00:00Z'));
  });
});
