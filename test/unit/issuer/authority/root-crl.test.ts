// The lists of roots: there from the first day, of a standby root too, and never without the intermediates
// that an operator revoked.

import assert from 'node:assert/strict';
import { beforeEach, test } from 'node:test';
import { type Authority, activeOf } from '../../../../src/authorities/authority-state.ts';
import { certificateOf } from '../../../../src/authorities/public-bundle.ts';
import { readCertificate } from '../../../../src/spiffe/certificate/certificate.ts';
import { type Crl, checkCrlOf, isRevoked, readCrl } from '../../../../src/spiffe/crl/crl.ts';
import { BlindStore } from '../memory-store.ts';
import { World } from './authority-world.ts';

const DAY = 24 * 3_600_000;

let world: World;
beforeEach(async () => {
  world = new World();
  await rotateBlindly();
});

/** As the job does, which never reads the key of the standby root. */
async function rotateBlindly(): Promise<void> {
  await world.keeper(new BlindStore(world.store)).settle();
}

function crlOf(root: Authority): Crl {
  const crl = readCrl(Buffer.from(root.crl ?? assert.fail('no list'), 'base64'));
  checkCrlOf(crl, readCertificate(certificateOf(root)));
  return crl;
}

const roots = () => world.state.authorities.filter(({ kind }) => kind === 'root');
const active = () => activeOf(world.state, 'root') ?? assert.fail();
const standby = () => roots().find(({ phase }) => phase === 'published') ?? assert.fail();

test('the root that signs has a short list, the one that stands by one for its life', async () => {
  const now = world.clock.now();
  assert.deepEqual([crlOf(active()).revoked, crlOf(standby()).revoked], [[], []]);
  assert.ok(crlOf(active()).nextUpdate - now <= 35 * DAY);
  assert.equal(crlOf(standby()).nextUpdate, standby().notAfter * 1000);
  const { sequence } = world.state;
  const before = crlOf(active()).number;
  await world.clock.advance(6 * DAY);
  await rotateBlindly();
  assert.equal(crlOf(active()).number, before);
  await world.clock.advance(2 * DAY);
  await rotateBlindly();
  assert.ok(crlOf(active()).number > before, 'renewed after a week');
  assert.ok(world.state.sequence >= sequence);
});

test('a standby root that signs gets a short list at once, with a higher number', async () => {
  const { id } = standby();
  const before = crlOf(standby());
  await world.command({ verb: 'revoke', id: active().id });
  assert.equal(active().id, id);
  const list = crlOf(active());
  assert.ok(list.number > before.number);
  assert.ok(list.nextUpdate < before.nextUpdate);
});

test('a revoked intermediate is on its root’s list until it would have ended', async () => {
  const revoked = activeOf(world.state, 'intermediate') ?? assert.fail();
  const { serialNumber } = readCertificate(certificateOf(revoked));
  await world.command({ verb: 'revoke', id: revoked.id });
  assert.ok(isRevoked(crlOf(active()), serialNumber));
  await rotateBlindly();
  assert.ok(isRevoked(crlOf(active()), serialNumber));
  const other = activeOf(world.state, 'intermediate') ?? assert.fail();
  assert.ok(!isRevoked(crlOf(active()), readCertificate(certificateOf(other)).serialNumber));
  await world.clock.advance(3 * DAY);
  await rotateBlindly();
  assert.ok(!isRevoked(crlOf(active()), serialNumber));
  assert.equal(active().revoked, undefined);
});

test('one that is only replaced, or over, is on no list', async () => {
  const tainted = activeOf(world.state, 'intermediate') ?? assert.fail();
  await world.command({ verb: 'taint', id: tainted.id });
  assert.deepEqual(crlOf(active()).revoked, []);
});

test('a list that was lost or damaged is made anew', async () => {
  const stored = world.store.documents.get('state') ?? assert.fail();
  const damaged = stored.text.replace(/"crl":"MI/g, '"crl":"MA');
  assert.notEqual(damaged, stored.text);
  world.store.documents.set('state', { version: stored.version + 1, text: damaged });
  await rotateBlindly();
  crlOf(active());
});
