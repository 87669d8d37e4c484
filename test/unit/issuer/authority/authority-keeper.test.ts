// The executor of the plan against a store that fails at every operation in turn, before the
// operation took place and after it.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { activeOf } from '../../../../src/authorities/authority-state.ts';
import { silentLogger } from '../../../../src/base/log.ts';
import { AuthorityKeeper } from '../../../../src/issuer/authority/authority-keeper.ts';
import {
  KEY_DOCUMENTS,
  type KeyDocument,
  type KeyDocumentName,
} from '../../../../src/issuer/authority/authority-store.ts';
import { AuthorityView } from '../../../../src/issuer/authority/signing-authorities.ts';
import { FakeClock } from '../../../fakes/fake-clock.ts';
import { MemoryAuditLog, TRUST_DOMAIN } from '../fixtures.ts';
import { MemoryStore } from '../memory-store.ts';
import { keeper, MINUTE, stateOf } from './keeper-fixtures.ts';

const KINDS = ['root', 'serving', 'intermediate', 'jwt'] as const;

function keysOf(store: MemoryStore, name: KeyDocumentName): readonly string[] {
  const document = store.documents.get(name);
  return document === undefined ? [] : Object.keys((JSON.parse(document.text) as KeyDocument).keys);
}

/** What must hold whenever nothing is due. */
async function assertAtRest(store: MemoryStore): Promise<void> {
  const state = stateOf(store);
  for (const kind of KINDS) assert.ok(activeOf(state, kind), `no active ${kind}`);
  const roots = state.authorities.filter(({ kind }) => kind === 'root');
  assert.deepEqual(roots.map(({ phase }) => phase).toSorted(), ['active', 'published']);
  const known = new Set(state.authorities.map(({ id }) => id));
  const stored = KEY_DOCUMENTS.flatMap((name) => keysOf(store, name));
  assert.deepEqual(stored.toSorted(), [...known].toSorted(), 'each authority has one key, no more');
  const kindOf = (id: string) => state.authorities.find((authority) => authority.id === id)?.kind;
  for (const id of keysOf(store, 'issuing-keys')) {
    assert.ok(['intermediate', 'jwt'].includes(kindOf(id) ?? ''), 'the issuer reads no root key');
  }
  for (const id of keysOf(store, 'serving-keys')) assert.equal(kindOf(id), 'serving');
  const view = new AuthorityView({ trustDomain: TRUST_DOMAIN, store });
  await view.refresh();
  assert.ok(view.current.value);
}

test('from nothing to rest, and nothing more to do after that', async () => {
  const store = new MemoryStore();
  const clock = new FakeClock();
  const audit = new MemoryAuditLog();
  await keeper(store, clock, audit).settle();
  await assertAtRest(store);
  const before = new Map(store.documents);
  await keeper(store, clock).settle();
  assert.deepEqual(store.documents, before);
  const created = audit.events.filter(({ detail }) => detail?.startsWith('create'));
  assert.equal(created.length, 6, 'two roots, serving, intermediate, JWT, serving certificate');
});

test('a crash at any operation, before or after it took place, is made good by the next run', async () => {
  const counted = new MemoryStore();
  await keeper(counted, new FakeClock()).settle();
  const { operations } = counted;
  let crashes = 0;
  for (let crashAt = 1; crashAt <= operations; crashAt += 1) {
    for (const when of ['before', 'after'] as const) {
      const store = new MemoryStore();
      const clock = new FakeClock();
      store.onOperation = (at, operation) => {
        if (at === when && operation === crashAt) throw new Error('crash');
      };
      await assert.rejects(keeper(store, clock).settle(), /crash/);
      crashes += 1;
      store.onOperation = () => {};
      await keeper(store, clock).settle();
      // One that was announced but has no key is given up after ten minutes.
      await clock.advance(11 * MINUTE);
      await keeper(store, clock).settle();
      await assertAtRest(store);
    }
  }
  assert.ok(crashes > 100, `${crashes} crashes`);
});

test('no line, no authority: nothing that could sign is stored before it is written down', async () => {
  const store = new MemoryStore();
  const clock = new FakeClock();
  const audit = new MemoryAuditLog();
  audit.full = true;
  await assert.rejects(keeper(store, clock, audit).settle(), { reason: 'AuditFailed' });
  assert.deepEqual([...store.documents.keys()], ['state']);
  audit.full = false;
  let lines = 0;
  store.onOperation = (when, _operation, name) => {
    if (when !== 'after' || name === 'state') return;
    lines = Math.max(
      lines,
      audit.events.filter(({ detail }) => detail?.startsWith('create')).length,
    );
    const keys = KEY_DOCUMENTS.flatMap((document) => keysOf(store, document)).length;
    assert.ok(keys + (store.documents.has('issuer-serving') ? 1 : 0) <= lines);
  };
  await clock.advance(11 * MINUTE);
  await keeper(store, clock, audit).settle();
  store.onOperation = () => {};
  await assertAtRest(store);
});

test('alone, nobody is waited for: a crash is made good at once', async () => {
  const store = new MemoryStore();
  const clock = new FakeClock();
  store.onOperation = (at, _operation, name) => {
    if (at === 'before' && name === 'root-key' && store.documents.has('state')) {
      throw new Error('crash');
    }
  };
  await assert.rejects(keeper(store, clock).settle(), /crash/);
  store.onOperation = () => {};
  const alone = { store, clock, audit: new MemoryAuditLog(), log: silentLogger, isAlone: true };
  await new AuthorityKeeper({
    trustDomain: TRUST_DOMAIN,
    jwtKeyType: 'ec-p256',
    ...alone,
  }).settle();
  await assertAtRest(store);
});

test('two that keep the same authorities at once make one set of them', async () => {
  const store = new MemoryStore();
  const clock = new FakeClock();
  await Promise.all([keeper(store, clock).settle(), keeper(store, clock).settle()]);
  await clock.advance(11 * MINUTE);
  await Promise.all([keeper(store, clock).settle(), keeper(store, clock).settle()]);
  await assertAtRest(store);
});

test('a root whose key is lost signs nothing, and no other root is made instead', async () => {
  const store = new MemoryStore();
  const clock = new FakeClock();
  await keeper(store, clock).settle();
  store.documents.delete('root-key');
  await clock.advance(25 * 60 * MINUTE);
  await assert.rejects(keeper(store, clock).settle(), { reason: 'StateDamaged' });
  assert.equal(stateOf(store).authorities.filter(({ kind }) => kind === 'root').length, 2);
});

test('RS256: by default the JWT key is RSA of 2,048 bits', async () => {
  const store = new MemoryStore();
  const clock = new FakeClock();
  const common = { store, clock, audit: new MemoryAuditLog(), log: silentLogger };
  await new AuthorityKeeper({ trustDomain: TRUST_DOMAIN, ...common }).settle();
  const view = new AuthorityView({ trustDomain: TRUST_DOMAIN, store });
  await view.refresh();
  assert.equal(view.current.value?.jwt.algorithm.name, 'RS256');
  assert.equal(view.current.value?.jwt.privateKey.asymmetricKeyDetails?.modulusLength, 2048);
});
