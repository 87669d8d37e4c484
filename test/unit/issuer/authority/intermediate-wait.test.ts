// When an intermediate begins to sign: servers that check whole chains need its revocation list first.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Authority, AuthorityState } from '../../../../src/authorities/authority-state.ts';
import { DEFAULT_SETTINGS, nextStep } from '../../../../src/issuer/authority/authority-plan.ts';
import { TRUST_DOMAIN } from '../fixtures.ts';

const HOUR = 3600;
const DAY = 24 * HOUR;
const NOW = 1_800_000_000;

function authority(id: string, kind: Authority['kind'], more: Partial<Authority>): Authority {
  return {
    id,
    kind,
    phase: 'active',
    notBefore: NOW - DAY,
    notAfter: NOW + DAY,
    preparedAt: NOW - DAY,
    publishedAt: NOW - DAY,
    activatedAt: NOW - HOUR,
    ...more,
  };
}

function stepAt(now: number, activeParent: string, order?: Authority['order']) {
  const authorities = [
    authority('root', 'root', {}),
    authority('other-root', 'root', { phase: 'retired', retiredAt: NOW }),
    authority('standby', 'root', { phase: 'published' }),
    authority('serving', 'serving', {}),
    authority('jwt', 'jwt', {}),
    authority('old', 'intermediate', {
      parent: activeParent,
      ...(order === undefined ? {} : { order }),
    }),
    authority('new', 'intermediate', { parent: 'root', phase: 'published', publishedAt: NOW }),
  ];
  const state: AuthorityState = {
    format: 1,
    minReader: 1,
    minWriter: 1,
    trustDomain: TRUST_DOMAIN,
    sequence: 1,
    authorities,
  };
  const keys = new Set(authorities.map(({ id }) => id));
  return nextStep(state, keys, { now, settings: DEFAULT_SETTINGS });
}

const activates = { kind: 'activate', id: 'new' };

test('it is on the lists for an hour before it signs', () => {
  assert.equal(stepAt(NOW, 'root'), undefined);
  assert.equal(stepAt(NOW + HOUR - 1, 'root'), undefined);
  assert.deepEqual(stepAt(NOW + HOUR, 'root'), activates);
});

test('it signs at once when the one before may not, or is another root’s', () => {
  assert.deepEqual(stepAt(NOW, 'other-root'), activates);
  assert.deepEqual(stepAt(NOW, 'root', 'replace'), activates);
  assert.deepEqual(stepAt(NOW, 'root', 'remove'), activates);
});
