// Signing over authorities in memory and a fake clock, with its audit log.

import assert from 'node:assert/strict';
import { before, beforeEach } from 'node:test';
import { silentLogger } from '../../../../src/base/log.ts';
import { AuthorityKeeper } from '../../../../src/issuer/authority/authority-keeper.ts';
import {
  AuthorityView,
  type SigningAuthorities,
} from '../../../../src/issuer/authority/signing-authorities.ts';
import { HeldInventory } from '../../../../src/issuer/held-inventory.ts';
import type { IssuableEntry } from '../../../../src/issuer/pod-source.ts';
import { KeyRegistry } from '../../../../src/issuer/policy/key-registry.ts';
import { MintLimits } from '../../../../src/issuer/policy/mint-limits.ts';
import { PublishedPods } from '../../../../src/issuer/policy/published-pods.ts';
import { JwtSigning } from '../../../../src/issuer/signing/jwt-signing.ts';
import { X509Signing } from '../../../../src/issuer/signing/x509-signing.ts';
import { FakeClock } from '../../../fakes/fake-clock.ts';
import { entry, MapPodSource, MemoryAuditLog, NODE, pod, TRUST_DOMAIN } from '../fixtures.ts';
import { MemoryStore } from '../memory-store.ts';

export const caller = { node: NODE, credentialId: 'token-1', expiresAt: Number.POSITIVE_INFINITY };

export const ID = entry().spiffeId;

export let current: SigningAuthorities;
export let clock: FakeClock;
export let pods: MapPodSource;
export let audit: MemoryAuditLog;
export let x509: X509Signing;
export let jwt: JwtSigning;

/** Before each test: two published pods, and nothing signed or asked for yet. */
export function useSigning(): void {
  before(async () => {
    const store = new MemoryStore();
    const common = {
      store,
      clock: new FakeClock(),
      audit: new MemoryAuditLog(),
      log: silentLogger,
    };
    await new AuthorityKeeper({
      trustDomain: TRUST_DOMAIN,
      jwtKeyType: 'ec-p256',
      ...common,
    }).settle();
    const view = new AuthorityView({ trustDomain: TRUST_DOMAIN, store });
    await view.refresh();
    current = view.current.value ?? assert.fail();
  });
  beforeEach(() => {
    clock = new FakeClock();
    pods = new MapPodSource(pod(), pod({ uid: 'other-pod' }));
    audit = new MemoryAuditLog();
    const keys = new KeyRegistry();
    keys.setAuthorities(current.keyDigests);
    const published = new PublishedPods();
    published.publish('pod-uid');
    published.publish('other-pod');
    const common = {
      pods,
      audit,
      clock,
      authorities: () => current,
      limits: new MintLimits(clock, { perSecond: 10, burst: 50 }),
    };
    x509 = new X509Signing({ ...common, keys, published, inventory: new HeldInventory() });
    jwt = new JwtSigning({ ...common, issuer: 'https://issuer.example' });
  });
}

export async function mint(
  change: Partial<IssuableEntry> = {},
  audience: readonly string[] = ['a'],
) {
  pods.set(pod({ entries: [entry(change)] }));
  const asked = { entryId: 'policy-uid', expectedSpiffeId: change.spiffeId ?? ID };
  const [result] = await jwt.sign(caller, { podUid: 'pod-uid', items: [asked], audience });
  if (result === undefined) assert.fail('no result');
  if (!result.allowed) return { reason: result.reason, claims: new Map<string, unknown>() };
  const [, payload = ''] = result.value.token.split('.');
  const claims: unknown = JSON.parse(Buffer.from(payload, 'base64url').toString());
  return { reason: 'issued', claims: new Map(Object.entries(claims as object)) };
}
