// What one policy makes of one pod.

import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import type { JsonObject } from '../../../src/template/json-value.ts';
import { identityOf, namesOf, type Setting, viewOf } from './candidate-fixtures.ts';
import { NOW, pod, SA_ID } from './fixtures.ts';

suite('A1, A5, E5, E7: a template that makes no entry', () => {
  const rows: readonly [string, JsonObject, RegExp][] = [
    ['a missing label', { spiffeIDTemplate: 'spiffe://example.org/{{ .PodMeta.Labels.x }}' }, /./],
    [
      'an empty segment',
      { spiffeIDTemplate: 'spiffe://example.org/{{ index .PodMeta.Labels "x" }}/y' },
      /empty segments/,
    ],
    [
      'a trailing slash',
      { spiffeIDTemplate: 'spiffe://example.org/{{ index .PodMeta.Labels "x" }}' },
      /end with a slash/,
    ],
    [
      'whitespace, which is not trimmed',
      { spiffeIDTemplate: 'spiffe://example.org/a\n' },
      /U\+000A/,
    ],
    ['another trust domain', { spiffeIDTemplate: 'spiffe://other.test/x' }, /is not "example.org"/],
    ['no SPIFFE ID', { spiffeIDTemplate: 'hello' }, /scheme/],
    ['a field that is not there', { spiffeIDTemplate: '{{ .PodMeta.Nothing }}' }, /Nothing/],
    [
      'a selector without a colon',
      { workloadSelectorTemplates: ['{{ .PodMeta.Name }}'] },
      /must be type:value/,
    ],
    [
      'a missing label in a selector',
      { workloadSelectorTemplates: ['k8s:pod-label:x:{{ .PodMeta.Labels.x }}'] },
      /workloadSelectorTemplates: a value it reads is missing/,
    ],
    [
      'a missing label in a DNS name',
      { dnsNameTemplates: ['{{ .PodMeta.Labels.x }}.test'] },
      /dnsNameTemplates: a value it reads is missing/,
    ],
    [
      'a missing label in a claim',
      { jwtClaimTemplates: { agent_x: '{{ .PodMeta.Labels.x }}' }, jwtClaimsFromAuthors: true },
      /jwtClaimTemplates.agent_x: a value it reads is missing/,
    ],
    [
      'a missing label in a common name',
      { commonNameTemplate: '{{ .PodMeta.Labels.x }}' },
      /commonNameTemplate: a value it reads is missing/,
    ],
  ];
  for (const [name, spec, message] of rows) {
    test(`A23: ${name}`, () => {
      const view = viewOf(spec);
      assert.equal(view.refusal(), 'RenderFailed');
      assert.deepEqual(view.ids(), []);
      assert.equal(view.stats('p').podEntryRenderFailures, 1);
      assert.equal(view.stats('p').entriesToSet, 0);
      const [failure = ''] = view.failures('p');
      assert.match(failure, /^city\/web-0: RenderFailed: /);
      assert.match(failure, message);
    });
  }
});

suite('A26: an entry that no SVID may say', () => {
  const hosts = (count: number) => Array.from({ length: count }, (_, index) => `h${index}.test`);
  const rows: readonly [string, JsonObject, RegExp][] = [
    ['a negative ttl', { ttl: '-1h' }, /ttl: must not be negative/],
    ['a negative jwtTtl', { jwtTtl: '-1s' }, /jwtTtl: must not be negative/],
    ['an ID without a path', { spiffeIDTemplate: 'spiffe://example.org' }, /must have a path/],
    ["SPIRE's own paths", { spiffeIDTemplate: 'spiffe://example.org/spire/agent/x' }, /reserved/],
    ['our own paths', { spiffeIDTemplate: 'spiffe://example.org/signet' }, /reserved/],
    ['WA-39 a hint over 1024 bytes', { hint: 'é'.repeat(513) }, /hint: over 1024 bytes/],
    ['an empty DNS name', { dnsNameTemplates: [''] }, /DNS name: 0 characters/],
    ['a DNS name with a space', { dnsNameTemplates: ['a b'] }, /malformed/],
    ['an address as DNS name', { dnsNameTemplates: ['10.0.0.1'] }, /looks like an address/],
    ['DNS names that differ in case only', { dnsNameTemplates: ['a.test', 'A.test'] }, /twice/],
    ['33 DNS names', { dnsNameTemplates: hosts(33) }, /33 exceed 32/],
    ['a reserved DNS name', { dnsNameTemplates: ['Issuer.signet.svc'] }, /is reserved/],
    ['a wildcard over a reserved DNS name', { dnsNameTemplates: ['*.signet.svc'] }, /is reserved/],
    ['a common name with a space', { commonNameTemplate: 'a b' }, /commonNameTemplate: "a b"/],
    ['a common name over 64', { commonNameTemplate: 'a'.repeat(65) }, /commonNameTemplate/],
    ['an empty common name', { commonNameTemplate: '' }, /commonNameTemplate: ""/],
  ];
  for (const [name, spec, message] of rows) {
    test(`A26: ${name}`, () => {
      const view = viewOf(spec, { reservedDnsNames: ['issuer.signet.svc'] });
      assert.equal(view.refusal(), 'EntryRefused');
      assert.equal(view.stats('p').entryFailures, 1);
      assert.equal(view.stats('p').entriesToSet, 0);
      assert.match(view.failures('p')[0] ?? '', message);
    });
  }

  test('A4: what only resembles something reserved is fine', () => {
    const names = ['a.issuer.signet.svc', '*.svc', '*.issuer.signet.svc', 'issuer.signet.svc.x'];
    const view = viewOf(
      { spiffeIDTemplate: 'spiffe://example.org/spirex/y', dnsNameTemplates: names },
      { reservedDnsNames: ['issuer.signet.svc'] },
    );
    assert.deepEqual(namesOf(view), names);
  });
});

test('A22, A23: an unscheduled pod counts as a render failure', () => {
  const view = viewOf({});
  view.set('Pod', pod({}, { nodeName: undefined }));
  assert.equal(view.refusal(), 'RenderFailed');
  assert.deepEqual([view.stats('p').podsSelected, view.stats('p').podEntryRenderFailures], [1, 1]);
  view.set('Pod', pod());
  assert.deepEqual(view.ids(), [SA_ID]);
  assert.equal(view.stats('p').podEntryRenderFailures, 0);
});

test('R7: a pod that has finished keeps its entries, and counts', () => {
  const view = viewOf({});
  view.set('Pod', { ...pod(), status: { phase: 'Succeeded' } });
  assert.deepEqual(view.ids(), [SA_ID]);
  assert.equal(view.decision('uid-web-0', NOW)?.pod.phase, 'Succeeded');
});

test('A4: DNS names once each, in the order given; the first is the common name', () => {
  const view = viewOf({
    dnsNameTemplates: ['b.test', '{{ .PodMeta.Name }}', 'b.test', 'a_b.test'],
  });
  assert.deepEqual(namesOf(view), ['b.test', 'web-0', 'a_b.test']);
  assert.equal(identityOf(view)?.commonName, 'b.test');
});

test('A4: no common name from a wildcard, a long name, or in the strict profile', () => {
  assert.equal(identityOf(viewOf({ dnsNameTemplates: ['*.a.test'] }))?.commonName, '');
  const long = `${'a'.repeat(60)}.test`;
  assert.equal(identityOf(viewOf({ dnsNameTemplates: [long] }))?.commonName, '');
  const strict: Setting = { profile: 'strict' };
  assert.equal(identityOf(viewOf({ dnsNameTemplates: ['a.test'] }, strict))?.commonName, '');
  const asked = viewOf({ dnsNameTemplates: ['a.test'], commonNameTemplate: 'svc@a' }, strict);
  assert.equal(identityOf(asked)?.commonName, 'svc@a');
});

test('A6, A7, A8, A14: the rest of an entry', () => {
  const view = viewOf({
    ttl: '1999ms',
    jwtTtl: '90s',
    federatesWith: ['b.test', 'spiffe://a.test/x', 'b.test'],
    hint: 'db',
    jwtClaimTemplates: { agent_name: '{{ .PodMeta.Name }}' },
    jwtClaimsFromAuthors: true,
    jwtIncludeJTI: true,
  });
  const identity = identityOf(view);
  assert.equal(identity?.x509TtlSeconds, 1);
  assert.equal(identity?.jwtTtlSeconds, 90);
  assert.deepEqual(identity?.federatesWith, ['b.test', 'a.test']);
  assert.equal(identity?.hint, 'db');
  assert.deepEqual({ ...identity?.jwtClaims }, { agent_name: 'web-0' });
  assert.equal(identity?.jwtIncludeJti, true);
  assert.equal(identity?.policyUid, 'uid-p');
});
