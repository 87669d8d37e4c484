// A flood of JWT-SVIDs, the dear ones by RSA: what it may take, and that renewals pass it.

import assert from 'node:assert/strict';
import { before, beforeEach, test } from 'node:test';
import { silentLogger } from '../../../../src/base/log.ts';
import { AuthorityKeeper } from '../../../../src/issuer/authority/authority-keeper.ts';
import {
  AuthorityView,
  type SigningAuthorities,
} from '../../../../src/issuer/authority/signing-authorities.ts';
import { HeldInventory } from '../../../../src/issuer/held-inventory.ts';
import { KeyRegistry } from '../../../../src/issuer/policy/key-registry.ts';
import { MintLimits } from '../../../../src/issuer/policy/mint-limits.ts';
import { PublishedPods } from '../../../../src/issuer/policy/published-pods.ts';
import { JwtSigning } from '../../../../src/issuer/signing/jwt-signing.ts';
import { X509Signing } from '../../../../src/issuer/signing/x509-signing.ts';
import { FakeClock } from '../../../fakes/fake-clock.ts';
import { entry, MapPodSource, MemoryAuditLog, NODE, pod, TRUST_DOMAIN } from '../fixtures.ts';
import { MemoryStore } from '../memory-store.ts';
import { newPoint } from '../new-point.ts';

const PODS = 40;
const BURST = 50;
const uid = (index: number) => `pod-${index}`;
const expected = { entryId: 'policy-uid', expectedSpiffeId: entry().spiffeId };
const signal = new AbortController().signal;
const caller = { node: NODE, credentialId: 'token-1', expiresAt: Number.POSITIVE_INFINITY };

let current: SigningAuthorities;
let clock: FakeClock;
let x509: X509Signing;
let jwt: JwtSigning;

before(async () => {
  const store = new MemoryStore();
  const common = { store, clock: new FakeClock(), audit: new MemoryAuditLog(), log: silentLogger };
  await new AuthorityKeeper({ trustDomain: TRUST_DOMAIN, ...common }).settle();
  const view = new AuthorityView({ trustDomain: TRUST_DOMAIN, store });
  await view.refresh();
  current = view.current.value ?? assert.fail();
  assert.equal(current.jwt.algorithm.name, 'RS256');
});

beforeEach(() => {
  clock = new FakeClock();
  const pods = Array.from({ length: PODS }, (_, index) => pod({ uid: uid(index) }));
  const published = new PublishedPods();
  for (const each of pods) published.publish(each.uid);
  const common = {
    pods: new MapPodSource(...pods),
    audit: new MemoryAuditLog(),
    clock,
    authorities: () => current,
  };
  // Of their own, as the issuer has them.
  const limits = () => new MintLimits(clock, { perSecond: 10, burst: BURST });
  x509 = new X509Signing({
    ...common,
    keys: new KeyRegistry(),
    published,
    inventory: new HeldInventory(),
    limits: limits(),
  });
  jwt = new JwtSigning({ ...common, limits: limits(), issuer: 'https://issuer.example' });
});

const mint = async (podUid: string, audience = ['db']) =>
  await jwt.sign(caller, { podUid, items: [expected], audience });
const renew = async (index: number) =>
  await x509.sign(caller, [{ podUid: uid(index), ...expected, publicKey: newPoint() }], signal);

test('renewals that come after a flood of JWT-SVIDs are done long before it is over', async () => {
  let minted = 0;
  const flood = Array.from({ length: PODS * BURST }, async (_, index) => {
    const [answer] = await mint(uid(index % PODS));
    if (answer?.allowed === true) minted += 1;
  });
  for (let index = 0; index < PODS; index += 1) {
    const [renewed] = await renew(index);
    assert.equal(renewed?.allowed, true);
  }
  const before = minted;
  await Promise.all(flood);
  assert.equal(minted, PODS * BURST);
  assert.ok(before < minted / 2, `${before} of ${minted} were minted before ${PODS} renewals`);
});

test('a pod has fifty at once, then ten a second, and its renewals are not counted among them', async () => {
  const all = await Promise.all(Array.from({ length: BURST + 10 }, async () => await mint(uid(0))));
  const reasons = all.map(([answer]) => (answer?.allowed === false ? answer.reason : 'issued'));
  assert.equal(reasons.filter((reason) => reason === 'issued').length, BURST);
  assert.equal(reasons.filter((reason) => reason === 'Throttled').length, 10);
  assert.equal((await renew(0))[0]?.allowed, true);
  assert.equal((await mint(uid(1)))[0]?.allowed, true, 'nobody else has to wait');
  await clock.advance(1000);
  const next = await Promise.all(Array.from({ length: 12 }, async () => await mint(uid(0))));
  assert.equal(next.filter(([answer]) => answer?.allowed === true).length, 10);
});

test('eleven audiences are no request, and use up nothing', async () => {
  const names = Array.from({ length: 11 }, (_, index) => `a${index}`);
  await assert.rejects(mint(uid(0), names), { code: 'invalid-argument', message: /11 exceed 10/ });
  const all = await Promise.all(Array.from({ length: BURST }, async () => await mint(uid(0))));
  assert.ok(all.every(([answer]) => answer?.allowed === true));
});
