// Three weeks, hour by hour: what was signed stays valid until it expires, for those who have the
// newest bundle and for those who have one that is an hour old.

import assert from 'node:assert/strict';
import { test } from 'node:test';
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
import { readCertificate } from '../../../../src/spiffe/certificate/certificate.ts';
import { validateJwtSvid } from '../../../../src/spiffe/jwt-svid/jwt-svid.ts';
import { validateX509Svid } from '../../../../src/spiffe/x509-svid/x509-svid.ts';
import { X509TrustAnchors } from '../../../../src/spiffe/x509-svid/x509-trust-anchors.ts';
import { FakeClock } from '../../../fakes/fake-clock.ts';
import { entry, MapPodSource, MemoryAuditLog, NODE, pod, TRUST_DOMAIN } from '../fixtures.ts';
import { MemoryStore } from '../memory-store.ts';
import { newPoint } from '../new-point.ts';

const HOUR = 3_600_000;
const WEEKS = 23 * 24;
const AUDIENCE = 'https://api.example';

test('TB-03: SVIDs stay valid through every rotation of three weeks, and the sequence rises', async (t) => {
  const clock = new FakeClock();
  const store = new MemoryStore();
  const audit = new MemoryAuditLog();
  const keeper = new AuthorityKeeper({
    trustDomain: TRUST_DOMAIN,
    store,
    clock,
    audit,
    log: silentLogger,
    jwtKeyType: 'ec-p256',
  });
  const view = new AuthorityView({ trustDomain: TRUST_DOMAIN, store });
  const authorities = () => view.current.value ?? assert.fail('not ready');
  const longest = entry({ x509TtlSeconds: 7 * 86_400, jwtTtlSeconds: 86_400 });
  const published = new PublishedPods();
  published.publish(pod().uid);
  const common = {
    pods: new MapPodSource(pod({ entries: [longest] })),
    authorities,
    audit,
    clock,
    limits: new MintLimits(clock, { perSecond: 10, burst: 50 }),
  };
  const memory = { keys: new KeyRegistry(), published, inventory: new HeldInventory() };
  const x509 = new X509Signing({ ...common, ...memory });
  const jwt = new JwtSigning(common);
  const caller = { node: NODE, credentialId: 'x', expiresAt: Number.POSITIVE_INFINITY };
  const asked = { entryId: longest.entryId, expectedSpiffeId: longest.spiffeId };

  const chains: { chain: readonly Uint8Array[]; notAfter: number }[] = [];
  const tokens: { token: string; expiresAt: number }[] = [];
  const intermediates = new Set<string>();
  const jwtKeys = new Set<string>();
  const servingLeaves = new Set<string>();
  let hourAgo: SigningAuthorities | undefined;
  let sequence = 0;
  let content = '';
  for (let hour = 0; hour < WEEKS; hour += 1) {
    await keeper.settle();
    await view.refresh();
    const now = authorities();
    intermediates.add(now.x509.authorityId);
    jwtKeys.add(now.jwt.authorityId);
    servingLeaves.add(Buffer.from(now.serving.chain[0] ?? '').toString('hex'));

    const { x509Authorities, jwtAuthorities } = now.bundle;
    const nextContent = JSON.stringify([x509Authorities.length, [...jwtAuthorities.keys()]]);
    if (nextContent === content) assert.ok(now.bundle.sequence >= sequence);
    else assert.ok(now.bundle.sequence > sequence, 'TB-03: rises with the content');
    ({ sequence } = now.bundle);
    content = nextContent;

    const item = { podUid: pod().uid, ...asked, publicKey: newPoint() };
    const [signed] = x509.signBatch(caller, [item]);
    assert.ok(signed?.allowed, signed?.allowed === false ? signed.message : '');
    chains.push(signed.value);
    const [token] = await jwt.sign(caller, {
      podUid: pod().uid,
      items: [asked],
      audience: [AUDIENCE],
    });
    assert.ok(token?.allowed);
    tokens.push(token.value);

    for (const known of [now, hourAgo ?? now]) {
      const anchors = new X509TrustAnchors(known.bundle.x509Authorities);
      for (const { chain, notAfter } of hour % 6 === 0 ? chains : chains.slice(-1)) {
        if (clock.now() > notAfter) continue;
        validateX509Svid(chain, { authoritiesOf: () => anchors, now: clock.now() });
      }
      for (const { token, expiresAt } of tokens.slice(-3)) {
        if (clock.now() > expiresAt) continue;
        validateJwtSvid(token, {
          audience: AUDIENCE,
          authoritiesOf: () => known.bundle.jwtAuthorities,
          now: clock.now(),
        });
      }
    }
    const [servingLeaf] = now.serving.chain;
    assert.ok(readCertificate(servingLeaf ?? assert.fail()).notAfter > clock.now() + HOUR);
    hourAgo = now;
    while ((chains[0]?.notAfter ?? Number.POSITIVE_INFINITY) < clock.now()) chains.shift();
    await clock.advance(HOUR);
  }
  t.diagnostic(`${intermediates.size} intermediates, ${jwtKeys.size} JWT authorities`);
  assert.ok(intermediates.size > 20);
  assert.equal(jwtKeys.size, 4, 'three rotations');
  assert.equal(servingLeaves.size, 2, 'renewed at half life');
});
