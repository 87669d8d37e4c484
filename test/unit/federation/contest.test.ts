// A key that two trust domains name: who gets it, and that neither loses anything else by it.

import assert from 'node:assert/strict';
import { afterEach, beforeEach, test } from 'node:test';
import { CodedError } from '../../../src/base/errors.ts';
import {
  formatFederatedBundles,
  readFederatedBundles,
} from '../../../src/federation/federated-bundle.ts';
import type { Bundle } from '../../../src/spiffe/bundle/bundle.ts';
import { TestCa } from '../../fakes/test-ca.ts';
import { FederationHarness, MINUTE } from './federation-harness.ts';
import { bundleOf, objectOf, PEER } from './fixtures.ts';

const THIEF = 'thief.test';
const CONTESTED = ['Ready Served', 'Refreshed KeyContested'];
const FETCHED = ['Ready Served', 'Refreshed Fetched'];

let harness: FederationHarness;
beforeEach(() => {
  harness = new FederationHarness().start();
});
afterEach(async () => await harness.stop());

const thief = new TestCa(THIEF);

/** The thief's own root, and another one over the key of somebody else. */
function withCopyOf(ca: TestCa): Bundle {
  const shape = { uris: [`spiffe://${THIEF}`], ca: true, keyUsage: 0x06 };
  const copies = thief.svid('', shape, ca.keys).chain.slice(0, 1);
  return bundleOf(THIEF, { hint: 60, authorities: [thief.certificate, ...copies] });
}

const authorities = (name: string) =>
  harness.served(name)?.x509Authorities.map((der) => Buffer.from(der).toString('hex'));
const hex = (...cas: readonly TestCa[]) =>
  cas.map(({ certificate }) => Buffer.from(certificate).toString('hex'));

test('TB-18: who copies the next root of a peer, and is fetched first, stops neither its rotation nor a removal', async () => {
  const [root, next] = [new TestCa(PEER), new TestCa(PEER)];
  harness.answers.set(THIEF, withCopyOf(next));
  harness.answers.set(PEER, bundleOf(PEER, { sequence: 1, hint: 60, ca: root }));
  await harness.set(objectOf(THIEF), objectOf(PEER));
  assert.equal(authorities(THIEF)?.length, 2, 'nobody else has named it yet');
  const both = { sequence: 2, hint: 60, authorities: [root.certificate, next.certificate] };
  harness.answers.set(PEER, bundleOf(PEER, both));
  await harness.pass(MINUTE);
  assert.deepEqual(authorities(PEER), hex(root, next), 'its key says itself whose it is');
  harness.answers.set(PEER, bundleOf(PEER, { sequence: 3, hint: 60, ca: next }));
  await harness.pass(MINUTE);
  assert.deepEqual(authorities(PEER), hex(next), 'the old root is gone');
  assert.deepEqual(harness.status(PEER).reasons, FETCHED);
  assert.deepEqual(authorities(THIEF), hex(thief));
  assert.deepEqual(harness.status(THIEF).reasons, CONTESTED);
  assert.ok(harness.alarms.includes(`${THIEF} KeyContested`));
});

test('TB-18: a contested JWT key stays where it was, and the rest of the document is taken', async () => {
  const [root, next] = [new TestCa(PEER), new TestCa(PEER)];
  const peer = bundleOf(PEER, { sequence: 1, hint: 60, authorities: [root.certificate] });
  const [[kid, key] = []] = peer.jwtAuthorities;
  assert.ok(kid !== undefined && key !== undefined);
  harness.answers.set(THIEF, { ...bundleOf(THIEF), jwtAuthorities: new Map([['x', key]]) });
  await harness.set(objectOf(THIEF));
  harness.answers.set(PEER, peer);
  await harness.set(objectOf(THIEF), objectOf(PEER));
  harness.answers.set(PEER, { ...peer, sequence: 2, x509Authorities: [next.certificate] });
  await harness.pass(MINUTE);
  assert.deepEqual(authorities(PEER), hex(next));
  assert.equal(harness.served(PEER)?.jwtAuthorities.size, 0);
  assert.equal(harness.served(PEER)?.sequence, 2);
  assert.deepEqual(harness.status(PEER).reasons, CONTESTED);
  // An operator's word decides, also against who was first, and for as long as it stands.
  await harness.set(objectOf(THIEF), objectOf(PEER, { bootstrap: peer }));
  assert.deepEqual([...(harness.served(PEER)?.jwtAuthorities.keys() ?? [])], [kid]);
  await harness.pass(10 * MINUTE);
  assert.deepEqual([...(harness.served(PEER)?.jwtAuthorities.keys() ?? [])], [kid]);
  assert.equal(harness.served(THIEF)?.jwtAuthorities.size, 0);
  assert.deepEqual(harness.status(PEER).reasons, FETCHED);
  assert.deepEqual(harness.status(THIEF).reasons, CONTESTED);
});

test("an operator's word stands even against a key that says otherwise", async () => {
  const ca = new TestCa(PEER);
  harness.answers.set(THIEF, withCopyOf(ca));
  await harness.set(objectOf(THIEF, { bootstrap: withCopyOf(ca) }));
  harness.answers.set(PEER, bundleOf(PEER, { ca }));
  await harness.set(objectOf(THIEF, { bootstrap: withCopyOf(ca) }), objectOf(PEER));
  assert.equal(authorities(THIEF)?.length, 2);
  assert.deepEqual(authorities(PEER), []);
});

test('FE-35: what another leader stored meanwhile is not overwritten by what is older', async () => {
  const at = (sequence: number) => bundleOf(PEER, { sequence, hint: 60 });
  harness.answers.set(PEER, at(7));
  await harness.set(objectOf(PEER));
  const newest = at(9);
  harness.answers.set(PEER, async () => {
    const [stored] = readFederatedBundles(harness.documents.text ?? '').values();
    assert.ok(stored !== undefined);
    const newer = { ...stored, bundle: newest, highestSequence: 9 };
    harness.documents.failures.push(new CodedError('aborted', 'changed'));
    harness.documents.put(formatFederatedBundles(new Map([[PEER, newer]])));
    return at(8);
  });
  await harness.pass(MINUTE);
  const [stored] = readFederatedBundles(harness.documents.text ?? '').values();
  assert.equal(stored?.bundle.sequence, 9);
  assert.equal(stored?.highestSequence, 9);
  assert.deepEqual(harness.alarms, [`${PEER} SequenceWentBack`]);
});
