// Stored authorities that are damaged, of another version, or mixed up.

import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { test } from 'node:test';
import type { AuthorityState } from '../../../../src/authorities/authority-state.ts';
import {
  type DocumentName,
  KEY_DOCUMENTS,
} from '../../../../src/issuer/authority/authority-store.ts';
import { AuthorityView } from '../../../../src/issuer/authority/signing-authorities.ts';
import { publicJwk } from '../../../../src/spiffe/jwt-svid/jwk.ts';
import { FakeClock } from '../../../fakes/fake-clock.ts';
import { TRUST_DOMAIN } from '../fixtures.ts';
import { MemoryStore } from '../memory-store.ts';
import { keeper, MINUTE, stateOf } from './keeper-fixtures.ts';

const P256 = { namedCurve: 'P-256' };

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
