// Claims of JWT-SVIDs: whose word they may be, how long, what a trust level limits, and how it is told.

import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { explainText } from '../../../src/cli/explain-text.ts';
import { explainPod } from '../../../src/identity/explain.ts';
import type { JsonObject } from '../../../src/template/json-value.ts';
import { NOW, pod, policy, restriction, SA_ID, TestView } from './fixtures.ts';

const LABELS = { labels: { app: 'web', trust: 'high' }, annotations: { a: 'x' } };

function viewOf(claims: JsonObject, spec: JsonObject = {}): TestView {
  const view = new TestView();
  view.set('Pod', pod(LABELS));
  view.set('ClusterSPIFFEID', policy('p', { jwtClaimTemplates: claims, ...spec }));
  return view;
}

const claimsOf = (view: TestView) => ({
  ...view.decision('uid-web-0', NOW)?.identities[0]?.jwtClaims,
});

suite('a claim that an author or a node could choose', () => {
  const rows: readonly [string, string, RegExp][] = [
    ['a label', '{{ .PodMeta.Labels.app }}', /\.PodMeta\.Labels, which a pod's author writes/],
    ['the pod’s name', '{{ .PodMeta.Name }}', /\.PodMeta\.Name, which a pod's author/],
    ['its ServiceAccount', '{{ .PodSpec.ServiceAccountName }}', /\.PodSpec\.ServiceAccountName, /],
    ['an annotation', '{{ .PodMeta.Annotations.a }}', /Annotations, which a node can write/],
    ['the node’s name', '{{ .NodeMeta.Name }}', /NodeMeta\.Name, which a node/],
    [
      'a choice by a label, also where nothing is written',
      '{{ if eq .PodMeta.Labels.trust "x" }}{{ else }}high{{ end }}',
      /\.PodMeta\.Labels/,
    ],
    [
      'a way round',
      '{{ with $x := .PodMeta }}{{ $x.GetLabels.app }}{{ end }}',
      /\.PodMeta\.Labels/,
    ],
  ];
  for (const [name, template, message] of rows) {
    test(`${name}: not without the policy's word`, () => {
      const view = viewOf({ agent_x: template });
      assert.deepEqual(view.ids(), []);
      assert.match([...view.aside.values()][0]?.message ?? '', message);
      assert.equal(viewOf({ agent_x: template }, { jwtClaimsFromAuthors: true }).ids().length, 1);
    });
    test(`${name}: never as a trust level`, () => {
      const view = viewOf({ agent_trust_level: template }, { jwtClaimsFromAuthors: true });
      assert.deepEqual(view.ids(), []);
      assert.match([...view.aside.values()][0]?.message ?? '', /a trust level is the operator's/);
    });
  }
});

test('what the operator says, and what the API server makes', () => {
  const claims = {
    agent_name: 'traffic',
    agent_owner: '{{ if eq .PodMeta.Namespace "city" }}team-city{{ else }}other{{ end }}',
    agent_session: '{{ .PodMeta.UID }}',
    agent_cluster: '{{ .ClusterName }}',
  };
  assert.deepEqual(claimsOf(viewOf(claims)), {
    agent_name: 'traffic',
    agent_owner: 'team-city',
    agent_session: 'uid-web-0',
    agent_cluster: 'cluster',
  });
});

test('claims that no header has room for, or that a log would choke on, are no claims', () => {
  const long = 'x'.repeat(1024);
  assert.equal(viewOf({ agent_a: long }).ids().length, 1);
  const view = viewOf({ agent_a: long, agent_b: long });
  assert.equal(view.refusal(), 'EntryRefused');
  assert.match(view.failures('p')[0] ?? '', /jwtClaimTemplates: over 2048 bytes together/);
  assert.match(
    viewOf({ agent_a: 'a\nb' }).failures('p')[0] ?? '',
    /jwtClaimTemplates\.agent_a: must not hold control characters/,
  );
});

test('other names, where the installation says so; registered ones never', () => {
  const view = new TestView({ claimNames: ['team', 'agent_*'] });
  view.set('Pod', pod());
  view.set('ClusterSPIFFEID', policy('p', { jwtClaimTemplates: { team: 'a', agent_x: 'b' } }));
  assert.deepEqual(claimsOf(view), { team: 'a', agent_x: 'b' });
  const open = new TestView({ claimNames: ['*'] });
  open.set('Pod', pod());
  open.set('ClusterSPIFFEID', policy('p', { jwtClaimTemplates: { sub: 'a' } }));
  assert.deepEqual(open.ids(), []);
});

suite('a trust level', () => {
  const limited = (level: string | undefined, trustLevels: readonly string[]) => {
    const view = viewOf(level === undefined ? { agent_x: 'x' } : { agent_trust_level: level });
    const limits = { maxX509SVIDTTL: '5m', maxJWTSVIDTTL: '1m', allowedAudiences: ['db'] };
    view.set('IdentityRestriction', restriction('r', { match: { trustLevels }, ...limits }));
    return view.decision('uid-web-0', NOW)?.identities[0]?.limits;
  };

  test('caps life times and audiences of those that have it, and of nobody else', () => {
    assert.deepEqual(limited('low', ['low']), {
      suspendedBy: undefined,
      jwtDenied: false,
      sdsDenied: false,
      allowedAudiences: ['db'],
      maxX509TtlSeconds: 300,
      maxJwtTtlSeconds: 60,
    });
    assert.equal(limited('high', ['low'])?.allowedAudiences, undefined);
    assert.equal(limited('lower', ['low'])?.allowedAudiences, undefined);
    assert.equal(limited('Low', ['low'])?.allowedAudiences, undefined);
    assert.deepEqual(limited('mid', ['low', 'mid'])?.allowedAudiences, ['db']);
  });

  test('none at all can be meant too', () => {
    assert.equal(limited(undefined, ['low'])?.allowedAudiences, undefined);
    assert.deepEqual(limited(undefined, ['low', ''])?.allowedAudiences, ['db']);
    assert.equal(limited('high', [''])?.allowedAudiences, undefined);
  });

  test('all but some are meant: what nobody has heard of is limited too', () => {
    const isLimited = (claims: JsonObject) => {
      const view = viewOf(claims);
      const match = { exceptTrustLevels: ['high', 'mid'] };
      view.set('IdentityRestriction', restriction('r', { match, jwt: 'Deny' }));
      return view.decision('uid-web-0', NOW)?.identities[0]?.limits.jwtDenied;
    };
    assert.equal(isLimited({ agent_trust_level: 'high' }), false);
    assert.equal(isLimited({ agent_trust_level: 'mid' }), false);
    assert.equal(isLimited({ agent_trust_level: 'hihg' }), true);
    assert.equal(isLimited({ agent_x: 'x' }), true);
  });

  test('is one condition among others, and an edit of the policy counts at once', () => {
    const view = viewOf({ agent_trust_level: 'low' });
    const suspend = (match: JsonObject) =>
      view.set('IdentityRestriction', restriction('r', { match, suspend: true }));
    suspend({ trustLevels: ['low'], namespace: 'other' });
    assert.deepEqual(view.ids(), [SA_ID]);
    suspend({ trustLevels: ['low'], namespace: 'city' });
    assert.deepEqual(view.ids(), []);
    view.takeChanged(NOW);
    view.set('ClusterSPIFFEID', policy('p', { jwtClaimTemplates: { agent_trust_level: 'high' } }));
    assert.deepEqual([...view.takeChanged(NOW)], ['uid-web-0']);
    assert.deepEqual(view.ids(), [SA_ID]);
  });
});

test('explain: every claim, with who could have written it', () => {
  const claims = {
    agent_owner: 'team-{{ .PodMeta.Namespace }}',
    agent_app: '{{ .PodMeta.Labels.app }}',
  };
  const explanation = explainPod(viewOf(claims, { jwtClaimsFromAuthors: true }), 'uid-web-0', NOW);
  assert.ok(explanation !== undefined);
  assert.deepEqual(
    explanation.policies[0]?.claims?.map(({ name, value }) => [name, value]),
    [
      ['agent_owner', 'team-city'],
      ['agent_app', 'web'],
    ],
  );
  const text = explainText(explanation);
  assert.match(
    text,
    /claim agent_owner of p: team-city\n {2}team- {2}the operator\n {2}city {2}the API server/,
  );
  assert.match(text, /claim agent_app of p: web\n {2}web {2}the pod's author \(\.PodMeta\.Labels/);
});
