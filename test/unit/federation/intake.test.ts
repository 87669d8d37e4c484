// What is written down of each bundle that is taken.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type LogFields, type Logger, silentLogger } from '../../../src/base/log.ts';
import { BundleIntake } from '../../../src/federation/bundle-intake.ts';
import { BundleStore } from '../../../src/federation/bundle-store.ts';
import { declaredIn } from '../../../src/federation/relationships.ts';
import { bundleOf, MemoryDocuments, OWN, objectOf, PEER } from './fixtures.ts';

const own = { bundle: bundleOf(OWN), keys: new Set<string>() };

function intakeWith(knowsOwn: boolean) {
  const lines: LogFields[] = [];
  const log: Logger = { ...silentLogger, info: (fields) => lines.push(fields) };
  const store = new BundleStore(new MemoryDocuments());
  const intake = new BundleIntake({
    ownTrustDomain: OWN,
    own: () => (knowsOwn ? own : undefined),
    store,
    log,
  });
  return { intake, lines };
}

function relationship() {
  const options = { ownTrustDomain: OWN, servesClass: () => true };
  const declared = declaredIn([objectOf(PEER)], options).get(PEER);
  assert.ok(declared?.kind === 'relationship');
  return declared.relationship;
}

const fetched = {
  bundle: bundleOf(PEER, { sequence: 12 }),
  ignored: ['keys[2]: use "wit-svid" is not known'],
  digest: 'ab'.repeat(32),
  peer: 'spiffe://peer.test/endpoint',
  address: '198.18.0.1',
};

test('FE-33: trust domain, URL, peer, address, sequence and digest of each fetch', async () => {
  const { intake, lines } = intakeWith(true);
  await intake.take(relationship(), fetched, () => true);
  const [line] = lines;
  assert.equal(line?.trustDomain, PEER);
  assert.equal(line.path, `https://${PEER}/bundle`);
  assert.equal(line.identity, fetched.peer);
  assert.equal(line.sequence, 12);
  for (const part of [fetched.address, fetched.digest, 'wit-svid']) {
    assert.ok(line.message?.includes(part), part);
  }
});

test('TB-18: nothing is taken before it is known which keys are ours', async () => {
  const { intake } = intakeWith(false);
  const take = intake.take(relationship(), fetched, () => true);
  await assert.rejects(take, { reason: 'NotStored' });
  assert.equal(intake.storedOf(PEER), undefined);
});

test('what nobody wants any more is not stored', async () => {
  const { intake } = intakeWith(true);
  const take = intake.take(relationship(), fetched, () => false);
  await assert.rejects(take, { reason: 'NotStored' });
  assert.equal(intake.storedOf(PEER), undefined);
});
