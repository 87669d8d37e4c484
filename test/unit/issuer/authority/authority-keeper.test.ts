// The executor of the plan against a store that fails at every operation in turn, before the
// operation took place and after it.

import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { test } from 'node:test';
import {
  type AuthorityState,
  activeOf,
  readState,
} from '../../../../src/authorities/authority-state.ts';
import { silentLogger } from '../../../../src/base/log.ts';
import { AuthorityKeeper } from '../../../../src/issuer/authority/authority-keeper.ts';
import {
  type DocumentName,
  KEY_DOCUMENTS,
  type KeyDocument,
  type KeyDocumentName,
} from '../../../../src/issuer/authority/authority-store.ts';
import { AuthorityView } from '../../../../src/issuer/authority/signing-authorities.ts';
import { publicJwk } from '../../../../src/spiffe/jwt-svid/jwk.ts';
import { FakeClock } from '../../../fakes/fake-clock.ts';
import { MemoryAuditLog, TRUST_DOMAIN } from '../fixtures.ts';
import { MemoryStore } from '../memory-store.ts';

const KINDS = ['root', 'serving', 'intermediate', 'jwt'] as const;
const MINUTE = 60_000;
const P256 = { namedCurve: 'P-256' };

function keeper(store: MemoryStore, clock: FakeClock, audit = new MemoryAuditLog()) {
  const common = { store, clock, audit, log: silentLogger };
  return new AuthorityKeeper({ trustDomain: TRUST_DOMAIN, jwtKeyType: 'ec-p256', ...common });
}

function stateOf(store: MemoryStore): AuthorityState {
  const document = store.documents.get('state') ?? assert.fail('no state');
  return readState(JSON.parse(document.text), TRUST_DOMAIN);
}

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

test('keys of another format are not taken for none, and unknown members are kept', async () => {
  const store = new MemoryStore();
  const clock = new FakeClock();
  await keeper(store, clock).settle();
  const change = (edit: (value: Record<string, unknown>) => object) => {
    const { version, text } = store.documents.get('issuing-keys') ?? assert.fail();
    const value = JSON.parse(text) as Record<string, unknown>;
    const edited = { version: version + 1, text: JSON.stringify(edit(value)) };
    store.documents.set('issuing-keys', edited);
    return value;
  };
  const good = change((value) => ({ ...value, sealedWith: 'kek-1' }));
  await clock.advance(30 * 3_600_000);
  await keeper(store, clock).settle();
  const { text } = store.documents.get('issuing-keys') ?? assert.fail();
  assert.notDeepEqual(JSON.parse(text).keys, good['keys']);
  assert.equal(JSON.parse(text).sealedWith, 'kek-1');
  for (const other of [{ ...good, format: 2 }, { format: 1, keys: { a: 1 } }, [], null]) {
    change(() => other as object);
    await assert.rejects(keeper(store, clock).settle(), { reason: 'StateDamaged' });
  }
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

test('keys without a state are no fresh start: no new root is made', async () => {
  for (const name of KEY_DOCUMENTS) {
    const store = new MemoryStore();
    const clock = new FakeClock();
    await keeper(store, clock).settle();
    const kept = store.documents.get(name) ?? assert.fail(name);
    store.documents.clear();
    store.documents.set(name, kept);
    await assert.rejects(keeper(store, clock).settle(), {
      code: 'failed-precondition',
      reason: 'StateDamaged',
    });
    assert.deepEqual([...store.documents.keys()], [name]);
  }
});

const DAMAGES: readonly [string, (state: Record<string, unknown>) => void][] = [
  ['of another trust domain', (state) => Object.assign(state, { trustDomain: 'example.net' })],
  ['for newer readers', (state) => Object.assign(state, { minReader: 2 })],
  ['for newer writers', (state) => Object.assign(state, { minWriter: 2 })],
  ['of another format', (state) => Object.assign(state, { format: 2 })],
  ['without a sequence', (state) => delete state['sequence']],
  ['with a malformed authority', (state) => Object.assign(state, { authorities: [{}] })],
  ['with an authority that is null', (state) => Object.assign(state, { authorities: [null] })],
];

for (const [what, damage] of DAMAGES) {
  test(`a state ${what} is not touched`, async () => {
    const store = new MemoryStore();
    const clock = new FakeClock();
    await keeper(store, clock).settle();
    const document = store.documents.get('state') ?? assert.fail();
    const value = JSON.parse(document.text) as Record<string, unknown>;
    damage(value);
    const text = JSON.stringify(value);
    store.documents.set('state', { ...document, text });
    await assert.rejects(keeper(store, clock).settle(), { reason: 'StateDamaged' });
    assert.equal(store.documents.get('state')?.text, text);
  });
}

test('members that this version does not know stay in the state', async () => {
  const store = new MemoryStore();
  const clock = new FakeClock();
  await keeper(store, clock).settle();
  const document = store.documents.get('state') ?? assert.fail();
  const value = JSON.parse(document.text) as { authorities: object[] };
  Object.assign(value, { later: 'x' });
  Object.assign(value.authorities.find((one) => 'jwk' in one) ?? assert.fail(), { tainted: true });
  store.documents.set('state', { ...document, text: JSON.stringify(value) });
  await clock.advance(25 * 60 * MINUTE);
  await keeper(store, clock).settle();
  const after = store.documents.get('state')?.text ?? '';
  assert.notEqual(after, JSON.stringify(value), 'an intermediate was replaced');
  assert.match(after, /"later":"x"/);
  assert.match(after, /"tainted":true/);
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

test('the view reads neither root nor serving keys', async () => {
  const store = new MemoryStore();
  await keeper(store, new FakeClock()).settle();
  const read = new Set<DocumentName>();
  store.onOperation = (_when, _operation, name) => read.add(name);
  await new AuthorityView({ trustDomain: TRUST_DOMAIN, store }).refresh();
  assert.deepEqual([...read].toSorted(), ['issuer-serving', 'issuing-keys', 'state']);
});

test('a view that cannot read a newer state keeps what it has', async () => {
  const store = new MemoryStore();
  const clock = new FakeClock();
  await keeper(store, clock).settle();
  const view = new AuthorityView({ trustDomain: TRUST_DOMAIN, store });
  await view.refresh();
  const before = view.current.value;
  const older = store.documents.get('state') ?? assert.fail();
  const rolledBack = { ...stateOf(store), sequence: 1 };
  store.documents.set('state', { version: older.version + 1, text: JSON.stringify(rolledBack) });
  await assert.rejects(view.refresh(), { reason: 'StateRolledBack' });
  assert.equal(view.current.value, before);
  assert.ok(view.hasGoneBack);
});

const MIX_UPS: readonly [string, (state: AuthorityState) => unknown][] = [
  [
    'the active root is not the one that signed the intermediate',
    (state) => ({
      ...state,
      authorities: state.authorities.filter(
        ({ kind, phase }) => kind !== 'root' || phase !== 'active',
      ),
    }),
  ],
  [
    'the published JWT key is another one',
    (state) => ({
      ...state,
      authorities: state.authorities.map((authority) =>
        authority.kind === 'jwt'
          ? { ...authority, jwk: publicJwk(generateKeyPairSync('ec', P256).publicKey) }
          : authority,
      ),
    }),
  ],
  [
    'there are two active JWT authorities',
    (state) => ({
      ...state,
      authorities: state.authorities.flatMap((authority) =>
        authority.kind === 'jwt' ? [authority, { ...authority, id: 'other' }] : [authority],
      ),
    }),
  ],
];

for (const [what, mixUp] of MIX_UPS) {
  test(`nothing is signed with a state in which ${what}`, async () => {
    const store = new MemoryStore();
    await keeper(store, new FakeClock()).settle();
    const text = JSON.stringify(mixUp(stateOf(store)));
    store.documents.set('state', { version: 99, text });
    const view = new AuthorityView({ trustDomain: TRUST_DOMAIN, store });
    await assert.rejects(view.refresh(), { reason: 'StateDamaged' });
    assert.equal(view.current.value, undefined);
  });
}

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
