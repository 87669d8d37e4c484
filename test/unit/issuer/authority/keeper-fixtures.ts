// A keeper of authorities over a store in memory, and what it has stored.

import assert from 'node:assert/strict';
import { type AuthorityState, readState } from '../../../../src/authorities/authority-state.ts';
import { silentLogger } from '../../../../src/base/log.ts';
import { AuthorityKeeper } from '../../../../src/issuer/authority/authority-keeper.ts';
import type { FakeClock } from '../../../fakes/fake-clock.ts';
import { MemoryAuditLog, TRUST_DOMAIN } from '../fixtures.ts';
import type { MemoryStore } from '../memory-store.ts';

export const MINUTE = 60_000;

export function keeper(store: MemoryStore, clock: FakeClock, audit = new MemoryAuditLog()) {
  const common = { store, clock, audit, log: silentLogger };
  return new AuthorityKeeper({ trustDomain: TRUST_DOMAIN, jwtKeyType: 'ec-p256', ...common });
}

export function stateOf(store: MemoryStore): AuthorityState {
  const document = store.documents.get('state') ?? assert.fail('no state');
  return readState(JSON.parse(document.text), TRUST_DOMAIN);
}
