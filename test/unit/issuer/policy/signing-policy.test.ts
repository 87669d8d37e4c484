// A question that is allowed, and one mutation for each rule.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  decideAudience,
  decideEntry,
  decideKey,
  decideX509Life,
  type EntryQuestion,
  jwtExpiry,
  type X509LifeQuestion,
} from '../../../../src/issuer/policy/signing-policy.ts';
import { parseSpiffeId } from '../../../../src/spiffe/spiffe-id.ts';
import { entry, NODE, pod } from '../fixtures.ts';

const NOW = 1_800_000_000_000;
const SECOND = 1000;
const HOUR = 3600 * SECOND;

function question(change: Partial<EntryQuestion> = {}): EntryQuestion {
  return {
    node: NODE,
    pod: pod(),
    viewIsFresh: true,
    entryId: entry().entryId,
    expectedSpiffeId: entry().spiffeId,
    now: NOW,
    ...change,
  };
}

test('the question that all others are mutations of is allowed', () => {
  const decision = decideEntry(question());
  assert.ok(decision.allowed);
  assert.equal(decision.value.entry.entryId, entry().entryId);
});

const deleted = (ago: number, grace: number) =>
  pod({ deletionRequestedAt: NOW - ago * SECOND, deletionGraceSeconds: grace });

const REFUSED: readonly [string, Partial<EntryQuestion>, string][] = [
  ['the pod is not known', { pod: undefined }, 'ViewBehind'],
  ['the view is old', { viewIsFresh: false }, 'ViewBehind'],
  ['the pod is on another node', { pod: pod({ node: 'node-2' }) }, 'WrongNode'],
  ['the pod is on no node', { pod: pod({ node: '' }) }, 'WrongNode'],
  ['neither pod nor caller has a node', { node: '', pod: pod({ node: '' }) }, 'WrongNode'],
  ['the pod succeeded', { pod: pod({ phase: 'Succeeded' }) }, 'PodFinished'],
  ['the pod failed', { pod: pod({ phase: 'Failed' }) }, 'PodFinished'],
  ['the pod has no volume of ours', { pod: pod({ volumes: [] }) }, 'NoVolume'],
  ['the pod was deleted, grace and a minute ago', { pod: deleted(91, 30) }, 'PodDeleted'],
  ['the pod was deleted ten minutes ago', { pod: deleted(601, 86_400) }, 'PodDeleted'],
  ['the grace period is no number', { pod: deleted(1, Number.NaN) }, 'PodDeleted'],
  ['the pod does not have the entry', { entryId: 'other' }, 'EntryGone'],
  ['the pod has no entries', { pod: pod({ entries: [] }) }, 'EntryGone'],
  ['all is suspended', { pod: pod({ entries: [], refusal: 'Suspended' }) }, 'Suspended'],
  ['the ID is another one', { expectedSpiffeId: `${entry().spiffeId}x` }, 'EntryChanged'],
  ['no ID is expected', { expectedSpiffeId: '' }, 'EntryChanged'],
];

for (const [when, change, reason] of REFUSED) {
  test(`${reason}, when ${when}`, () => {
    const decision = decideEntry(question(change));
    assert.equal(decision.allowed, false);
    assert.equal(decision.allowed || decision.reason, reason);
  });
}

test('a pod that is being deleted is served until grace and a minute are over', () => {
  assert.ok(decideEntry(question({ pod: deleted(90, 30) })).allowed);
  assert.ok(decideEntry(question({ pod: deleted(600, 86_400) })).allowed);
});

test('the first rule that is broken is the one that is named', () => {
  const worst = pod({ node: 'x', phase: 'Failed', volumes: [], entries: [] });
  const decision = decideEntry(question({ pod: worst }));
  assert.equal(decision.allowed || decision.reason, 'WrongNode');
});

function life(change: Partial<X509LifeQuestion> = {}) {
  const decision = decideX509Life({
    entry: entry(),
    published: true,
    prefetched: 0,
    authorityEnd: NOW + 48 * HOUR,
    now: NOW,
    ...change,
  });
  return decision.allowed ? decision.value : assert.fail(decision.reason);
}

const limits = (change: Partial<ReturnType<typeof entry>['limits']>) => ({
  limits: { ...entry().limits, ...change },
});

const LIVES: readonly [string, Partial<X509LifeQuestion>, number][] = [
  ['an hour by default', {}, HOUR],
  ['as the policy asks', { entry: entry({ x509TtlSeconds: 900 }) }, 900 * SECOND],
  ['never more than a day', { entry: entry({ x509TtlSeconds: 7 * 86_400 }) }, 24 * HOUR],
  ['as a restriction allows', { entry: entry(limits({ maxX509TtlSeconds: 60 })) }, 60 * SECOND],
  ['no longer than the authority', { authorityEnd: NOW + 5 * SECOND }, 5 * SECOND],
  ['ten minutes before the first publish', { published: false }, 600 * SECOND],
  [
    'less, before the first publish, when the policy asks for less',
    { published: false, entry: entry({ x509TtlSeconds: 300 }) },
    300 * SECOND,
  ],
];

for (const [what, change, expected] of LIVES) {
  test(`an X.509-SVID lives ${what}`, () => {
    const { notBefore, notAfter } = life(change);
    assert.equal(notAfter - NOW, expected);
    assert.equal(NOW - notBefore, 60 * SECOND);
  });
}

test('PrefetchLimit: signed once and renewed twice without having started', () => {
  const ask = (published: boolean, prefetched: number) =>
    decideX509Life({
      entry: entry(),
      published,
      prefetched,
      authorityEnd: NOW + HOUR,
      now: NOW,
    });
  assert.ok(ask(false, 2).allowed);
  const fourth = ask(false, 3);
  assert.equal(fourth.allowed || fourth.reason, 'PrefetchLimit');
  assert.ok(ask(true, 3).allowed);
});

test('KeyReuse and KeyNotAllowed', () => {
  const bytes = new Uint8Array(65);
  assert.ok(decideKey({ isFree: true, bytes }).allowed);
  const used = decideKey({ isFree: false, bytes });
  assert.equal(used.allowed || used.reason, 'KeyReuse');
  const missing = decideKey({ isFree: true, bytes: undefined });
  assert.equal(missing.allowed || missing.reason, 'KeyNotAllowed');
});

const AUDIENCES: readonly [string, Parameters<typeof limits>[0], readonly string[], string][] = [
  ['JWTs are denied', { jwtDenied: true }, ['a'], 'JwtDenied'],
  ['the audience is not on the list', { allowedAudiences: ['b'] }, ['a'], 'AudienceNotAllowed'],
  ['the list is empty', { allowedAudiences: [] }, ['a'], 'AudienceNotAllowed'],
  ['one is not on the list', { allowedAudiences: ['a'] }, ['a', 'b'], 'AudienceNotAllowed'],
  ['a list, and two audiences', { allowedAudiences: ['a', 'b'] }, ['a', 'b'], 'AudienceNotAllowed'],
];

for (const [when, change, audience, reason] of AUDIENCES) {
  test(`${reason}, when ${when}`, () => {
    const decision = decideAudience(entry(limits(change)), audience);
    assert.equal(decision.allowed || decision.reason, reason);
  });
}

test('any audiences without a list, one of it with a list', () => {
  assert.ok(decideAudience(entry(), ['a', 'b']).allowed);
  assert.ok(decideAudience(entry(limits({ allowedAudiences: ['a', 'b'] })), ['b']).allowed);
});

test('a JWT-SVID lives five minutes, as asked, at most an hour, and within its limits', () => {
  const lives = (change: Parameters<typeof entry>[0], end = NOW + 48 * HOUR) =>
    (jwtExpiry(entry(change), NOW, end) - NOW) / SECOND;
  assert.equal(lives({}), 300);
  assert.equal(lives({ jwtTtlSeconds: 60 }), 60);
  assert.equal(lives({ jwtTtlSeconds: 86_400 }), 3600);
  assert.equal(lives({ jwtTtlSeconds: 600, ...limits({ maxJwtTtlSeconds: 30 }) }), 30);
  assert.equal(lives({}, NOW + 7 * SECOND), 7);
});

test('the ID that is expected is compared, never used', () => {
  const other = parseSpiffeId('spiffe://example.org/ns/city/sa/admin');
  const decision = decideEntry(question({ expectedSpiffeId: other }));
  assert.equal(decision.allowed, false);
});
