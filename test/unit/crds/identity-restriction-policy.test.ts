// What an IdentityRestriction says: it must never mean less than it was meant to.

import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { parseIdentityRestriction } from '../../../src/crds/identity-restriction-policy.ts';
import type { JsonObject } from '../../../src/template/json-value.ts';
import { makeRestriction } from './manifest-fixtures.ts';

const ID = 'spiffe://example.org/ns/shop';

suite('read', () => {
  test('every field', () => {
    const { value } = parseIdentityRestriction(
      makeRestriction({
        match: {
          spiffeID: `${ID}/sa/web`,
          spiffeIDPrefix: ID,
          namespace: 'shop',
          serviceAccount: 'web',
          owner: { kind: 'Deployment', name: 'web', uid: 'u' },
          podUID: 'p',
          node: 'n',
          trustLevels: ['low', ''],
          exceptTrustLevels: ['high'],
        },
        suspend: true,
        until: '2026-01-31T12:00:00Z',
        cause: 'leaked key',
        maxX509SVIDTTL: '10m',
        maxJWTSVIDTTL: '1999ms',
        allowedAudiences: ['a'],
        jwt: 'Deny',
        sds: 'Deny',
      }),
    );
    assert.deepEqual(value, {
      name: 'restriction',
      uid: 'restriction',
      generation: 0,
      creationTimestamp: 0,
      isDeleting: false,
      match: {
        all: false,
        spiffeId: `${ID}/sa/web`,
        spiffeIdPrefix: ID,
        namespace: 'shop',
        serviceAccount: 'web',
        owner: { kind: 'Deployment', name: 'web', uid: 'u' },
        podUid: 'p',
        node: 'n',
        trustLevels: ['low', ''],
        exceptTrustLevels: ['high'],
      },
      suspend: true,
      until: Date.UTC(2026, 0, 31, 12),
      cause: 'leaked key',
      maxX509TtlSeconds: 600,
      maxJwtTtlSeconds: 1,
      allowedAudiences: ['a'],
      jwtDenied: true,
      sdsDenied: true,
    });
  });
  test('as little as possible', () => {
    const { value } = parseIdentityRestriction(
      makeRestriction({ match: { all: true }, suspend: null }),
    );
    const { match, suspend, until, maxX509TtlSeconds, allowedAudiences } = value ?? {};
    assert.deepEqual(
      [match?.all, match?.namespace, suspend, until, maxX509TtlSeconds, allowedAudiences],
      [true, undefined, false, undefined, 0, undefined],
    );
  });
  test('an empty list of audiences allows none', () => {
    const { value } = parseIdentityRestriction(makeRestriction({ allowedAudiences: [] }));
    assert.deepEqual(value?.allowedAudiences, []);
  });
  test('a whole trust domain as prefix', () => {
    const match = { spiffeIDPrefix: 'spiffe://example.org' };
    const { value } = parseIdentityRestriction(makeRestriction({ match }));
    assert.equal(value?.match.spiffeIdPrefix, 'spiffe://example.org');
  });
});

suite('refused', () => {
  const rows: readonly [string, JsonObject, RegExp][] = [
    ['nobody', { match: {} }, /^spec\.match: must not be empty/],
    ['no match', { match: null }, /^spec\.match: must not be empty/],
    ['all: false alone', { match: { all: false } }, /^spec\.match: must not be empty/],
    ['all and another', { match: { all: true, node: 'n' } }, /^spec\.match\.all: must stand alone/],
    ['no trust level', { match: { trustLevels: [] } }, /^spec\.match\.trustLevels: must not be/],
    ['all and a trust level', { match: { all: true, trustLevels: ['a'] } }, /must stand alone/],
    ['one trust level', { match: { trustLevels: 'low' } }, /trustLevels: must be a list/],
    ['an empty namespace', { match: { namespace: '' } }, /^spec\.match\.namespace: must be set/],
    ['a prefix with a slash', { match: { spiffeIDPrefix: `${ID}/` } }, /spiffeIDPrefix: path: /],
    ['a path for a prefix', { match: { spiffeIDPrefix: '/ns' } }, /spiffeIDPrefix: SPIFFE ID: /],
    ['an owner without kind', { match: { owner: { name: 'a' } } }, /owner\.kind: must be set/],
    ['an owner by name', { match: { owner: 'web' } }, /^spec\.match\.owner: must be an object/],
    ['a time without zone', { until: '2026-01-31T12:00:00' }, /^spec\.until: .*is not a time/],
    ['a day that is none', { until: '2026-02-30T12:00:00Z' }, /^spec\.until: .*is not a time/],
    ['an empty time', { until: '' }, /^spec\.until: must be a time/],
    ['a ttl of nothing', { maxX509SVIDTTL: '999ms' }, /^spec\.maxX509SVIDTTL: must be at least 1s/],
    ['a negative ttl', { maxJWTSVIDTTL: '-1h' }, /^spec\.maxJWTSVIDTTL: must be at least 1s/],
    ['a word for jwt', { jwt: 'deny' }, /^spec\.jwt: must be Deny, or not set/],
    ['a word for suspend', { suspend: 'true' }, /^spec\.suspend: must be true or false/],
    ['one audience', { allowedAudiences: 'a' }, /^spec\.allowedAudiences: must be a list/],
  ];
  for (const [name, spec, message] of rows) {
    test(name, () => {
      const { value, errors } = parseIdentityRestriction(makeRestriction(spec));
      assert.equal(value, undefined);
      assert.match(errors[0] ?? '', message);
    });
  }
});
