// Signing as a whole: what is decided per item, what is written down, and what gets out.

import assert from 'node:assert/strict';
import { before, beforeEach, test } from 'node:test';
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
import { readCertificate } from '../../../../src/spiffe/certificate/certificate.ts';
import { publicKeyBits } from '../../../../src/spiffe/certificate/key-identifier.ts';
import { parseSpiffeId } from '../../../../src/spiffe/spiffe-id.ts';
import { FakeClock } from '../../../fakes/fake-clock.ts';
import { entry, MapPodSource, MemoryAuditLog, NODE, pod, TRUST_DOMAIN } from '../fixtures.ts';
import { MemoryStore } from '../memory-store.ts';
import { newPoint } from '../new-point.ts';

const caller = { node: NODE, credentialId: 'token-1', expiresAt: Number.POSITIVE_INFINITY };
const signal = new AbortController().signal;
const ID = entry().spiffeId;

let current: SigningAuthorities;
let clock: FakeClock;
let pods: MapPodSource;
let audit: MemoryAuditLog;
let x509: X509Signing;
let jwt: JwtSigning;

before(async () => {
  const store = new MemoryStore();
  const common = { store, clock: new FakeClock(), audit: new MemoryAuditLog(), log: silentLogger };
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

function item(change: { podUid?: string; entryId?: string; publicKey?: Uint8Array } = {}) {
  const publicKey = change.publicKey ?? newPoint();
  return { podUid: 'pod-uid', entryId: 'policy-uid', expectedSpiffeId: ID, ...change, publicKey };
}

test('answers come in the order asked, and each has its own line', async () => {
  const results = await x509.sign(
    caller,
    [item(), item({ entryId: 'gone' }), item({ podUid: 'unknown' }), item()],
    signal,
  );
  assert.deepEqual(
    results.map((result) => (result.allowed ? 'issued' : result.reason)),
    ['issued', 'EntryGone', 'ViewBehind', 'issued'],
  );
  assert.deepEqual(
    audit.events.map(({ event, reason }) => reason ?? event),
    ['X509SvidIssued', 'EntryGone', 'X509SvidIssued'],
  );
  const [line] = audit.events;
  const [first] = results;
  assert.ok(first?.allowed);
  assert.equal(line?.serial, Buffer.from(first.value.serialNumber).toString('hex'));
  assert.equal(line?.caller, 'token-1');
  assert.equal(line?.node, NODE);
  assert.equal(line?.pod, 'city/agent-0');
  assert.equal(line?.spiffeId, ID);
  assert.equal(line?.authorityId, current.x509.authorityId);
});

test('no line, no SVID', async () => {
  audit.full = true;
  await assert.rejects(x509.sign(caller, [item()], signal), { reason: 'AuditFailed' });
  const ask = { podUid: 'pod-uid', items: [item()], audience: ['a'] };
  await assert.rejects(jwt.sign(caller, ask), { reason: 'AuditFailed' });
});

test('lines that cannot be written use up nothing of what a pod may have before it starts', async () => {
  pods.set(pod({ uid: 'waiting' }));
  const reason = async () => {
    const [result] = await x509.sign(caller, [item({ podUid: 'waiting' })], signal);
    return result?.allowed === false ? result.reason : 'issued';
  };
  audit.full = true;
  for (let count = 0; count < 5; count += 1) await assert.rejects(reason());
  audit.full = false;
  assert.deepEqual(
    [await reason(), await reason(), await reason(), await reason()],
    ['issued', 'issued', 'issued', 'PrefetchLimit'],
  );
});

test('a node cannot fill the log: not with refusals, and not with long names', async () => {
  const gone = Array.from({ length: 200 }, () => item({ entryId: 'gone' }));
  for (let call = 0; call < 3; call += 1) await x509.sign(caller, gone, signal);
  assert.equal(audit.events.length, 256);
  const stranger = { ...caller, node: 'node-2' };
  await x509.sign(stranger, [item()], signal);
  assert.equal(audit.events.at(-1)?.reason, 'WrongNode');
  await clock.advance(10_000);
  await x509.sign(caller, gone, signal);
  assert.equal(audit.events.length, 267);
  const long = 'x'.repeat(129);
  const asked = { entryId: long, expectedSpiffeId: ID };
  for (const run of [
    async () => await x509.sign(caller, [item({ podUid: long })], signal),
    async () => await x509.sign(caller, [item({ entryId: long })], signal),
    async () => await x509.sign(caller, [{ ...item(), expectedSpiffeId: ID.repeat(99) }], signal),
    async () => await jwt.sign(caller, { podUid: 'pod-uid', items: [asked], audience: ['a'] }),
  ]) {
    await assert.rejects(run(), { code: 'invalid-argument' });
  }
  assert.equal(audit.events.length, 267);
});

test('KeyReuse: a key of another pod, also within one batch, and of every authority', async () => {
  const point = newPoint();
  const reasons = async (...items: readonly ReturnType<typeof item>[]) =>
    (await x509.sign(caller, items, signal)).map((result) =>
      result.allowed ? 'issued' : result.reason,
    );
  const mine = item({ publicKey: point });
  const theirs = item({ publicKey: point, podUid: 'other-pod' });
  assert.deepEqual(await reasons(mine, theirs, mine), ['issued', 'KeyReuse', 'issued']);
  const authorities = [
    ...current.bundle.x509Authorities,
    ...current.x509.above,
    ...current.serving.servingCa,
    ...current.serving.chain,
  ];
  assert.equal(authorities.length, 5);
  for (const der of authorities) {
    const publicKey = publicKeyBits(readCertificate(der).subjectPublicKeyInfo);
    assert.deepEqual(await reasons(item({ publicKey })), ['KeyReuse']);
  }
  for (const key of current.bundle.jwtAuthorities.values()) {
    const publicKey = key.export({ type: 'spki', format: 'der' }).subarray(-65);
    assert.deepEqual(await reasons(item({ publicKey })), ['KeyReuse']);
  }
});

test('a point that is not on the curve is refused, and the rest of the batch is not', async () => {
  const off = newPoint();
  off[64] = (off[64] ?? 0) ^ 1;
  const results = await x509.sign(
    caller,
    [item({ publicKey: off }), item({ publicKey: new Uint8Array(65) }), item()],
    signal,
  );
  assert.deepEqual(
    results.map((result) => result.allowed || result.reason),
    ['RequestInvalid', 'RequestInvalid', true],
  );
});

test('Throttled: a pod that asks for ever new SVIDs', async () => {
  const items = Array.from({ length: 60 }, () => item());
  const results = await x509.sign(caller, items, signal);
  assert.equal(results.filter(({ allowed }) => allowed).length, 50);
  const other = await x509.sign(caller, [item({ podUid: 'other-pod' })], signal);
  assert.equal(other[0]?.allowed, true);
});

test('nothing is signed once the authority is over', async () => {
  clock.jump(3 * 86_400_000);
  await assert.rejects(x509.sign(caller, [item()], signal), { code: 'unavailable' });
});

test('a caller that went away gets no further batch', async () => {
  const items = Array.from({ length: 40 }, () => item());
  await assert.rejects(x509.sign(caller, items, AbortSignal.abort()), { code: 'unavailable' });
  assert.equal(audit.events.length, 0);
});

test('names of the entry are in the certificate', async () => {
  const named = entry({ dnsNames: ['agent.city.svc'], commonName: 'agent' });
  pods.set(pod({ entries: [named] }));
  const [result] = await x509.sign(caller, [item()], signal);
  assert.ok(result?.allowed);
  const { extensions } = readCertificate(result.value.certificateDer);
  assert.deepEqual(extensions.alternativeNames.dnsNames, ['agent.city.svc']);
});

async function mint(change: Partial<IssuableEntry> = {}, audience: readonly string[] = ['a']) {
  pods.set(pod({ entries: [entry(change)] }));
  const asked = { entryId: 'policy-uid', expectedSpiffeId: change.spiffeId ?? ID };
  const [result] = await jwt.sign(caller, { podUid: 'pod-uid', items: [asked], audience });
  if (result === undefined) assert.fail('no result');
  if (!result.allowed) return { reason: result.reason, claims: new Map<string, unknown>() };
  const [, payload = ''] = result.value.token.split('.');
  const claims: unknown = JSON.parse(Buffer.from(payload, 'base64url').toString());
  return { reason: 'issued', claims: new Map(Object.entries(claims as object)) };
}

test('a JWT-SVID says what it must, and `jti` only when asked', async () => {
  const { claims } = await mint();
  assert.deepEqual([...claims.keys()], ['iss', 'sub', 'aud', 'iat', 'exp']);
  assert.equal(claims.get('iss'), 'https://issuer.example');
  assert.equal(claims.get('sub'), ID);
  assert.deepEqual(claims.get('aud'), ['a']);
  const first = (await mint({ jwtIncludeJti: true })).claims.get('jti');
  const second = (await mint({ jwtIncludeJti: true })).claims.get('jti');
  assert.equal(typeof first, 'string');
  assert.notEqual(first, second);
});

test('claims of a policy never take the place of ours', async () => {
  const jwtClaims = { sub: 'x', iss: 'x', aud: 'x', exp: 'x', iat: 'x', nbf: 'x', jti: 'x' };
  const { claims } = await mint({ jwtClaims: { ...jwtClaims, agent_team: 'traffic' } });
  assert.deepEqual([...claims.keys()], ['iss', 'sub', 'aud', 'iat', 'exp', 'agent_team']);
  assert.equal(claims.get('sub'), ID);
  assert.equal(claims.get('agent_team'), 'traffic');
});

test('JwtDenied and AudienceNotAllowed reach the answer and the log', async () => {
  const { limits } = entry();
  assert.equal((await mint({ limits: { ...limits, jwtDenied: true } })).reason, 'JwtDenied');
  const listed = { limits: { ...limits, allowedAudiences: ['b'] } };
  assert.equal((await mint(listed)).reason, 'AudienceNotAllowed');
  assert.equal((await mint(listed, ['b'])).reason, 'issued');
  assert.deepEqual(
    audit.events.map(({ event, reason }) => reason ?? event),
    ['JwtDenied', 'AudienceNotAllowed', 'JwtSvidIssued'],
  );
  assert.deepEqual(audit.events[2]?.audience, ['b']);
});

test('the line of a JWT-SVID holds its digest and no token', async () => {
  await mint();
  const [line] = audit.events;
  assert.match(line?.tokenDigest ?? '', /^[0-9a-f]{64}$/);
  assert.doesNotMatch(JSON.stringify(line), /eyJ/);
});

test('Throttled: fifty at once, then ten a second; another node uses up nothing', async () => {
  const stranger = { ...caller, node: 'node-2' };
  const asked = { entryId: 'policy-uid', expectedSpiffeId: ID };
  const ask = async (by: typeof caller, count: number) =>
    await jwt.sign(by, {
      podUid: 'pod-uid',
      items: Array.from({ length: count }, () => asked),
      audience: ['a'],
    });
  for (let call = 0; call < 3; call += 1) await ask(stranger, 32);
  assert.ok((await ask(caller, 32)).every(({ allowed }) => allowed));
  assert.ok((await ask(caller, 18)).every(({ allowed }) => allowed));
  const over = await ask(caller, 1);
  assert.equal(over[0]?.allowed === false && over[0].reason, 'Throttled');
  await clock.advance(1000);
  assert.ok((await ask(caller, 10)).every(({ allowed }) => allowed));
});

test('a JWT-SVID whose entry was withdrawn while its signature waited does not get out', async () => {
  const asked = { entryId: 'policy-uid', expectedSpiffeId: ID };
  const ask = { podUid: 'pod-uid', items: [asked, asked, asked], audience: ['a'] };
  const waiting = jwt.sign(caller, ask);
  pods.set(pod({ entries: [], refusal: 'Suspended' }));
  assert.deepEqual(
    (await waiting).map((result) => result.allowed || result.reason),
    ['Suspended', 'Suspended', 'Suspended'],
  );
  assert.ok(audit.events.every(({ event }) => event === 'JwtSvidRefused'));
});

test('nothing is signed for a caller that went away while it waited', async () => {
  const asked = { entryId: 'policy-uid', expectedSpiffeId: ID };
  const ask = { podUid: 'pod-uid', items: [asked], audience: ['a'] };
  await assert.rejects(jwt.sign(caller, ask, AbortSignal.abort()), { code: 'unavailable' });
  assert.equal(audit.events.length, 0);
});

test('Throttled: all pods of a node together, so that no node takes what others need', async () => {
  const asked = { entryId: 'policy-uid', expectedSpiffeId: ID };
  const uids = Array.from({ length: 45 }, (_, index) => `pod-${index}`);
  for (const uid of uids) pods.set(pod({ uid }));
  let issued = 0;
  for (const podUid of uids) {
    for (const count of [32, 18]) {
      const items = Array.from({ length: count }, () => asked);
      const results = await jwt.sign(caller, { podUid, items, audience: ['a'] });
      issued += results.filter(({ allowed }) => allowed).length;
    }
  }
  assert.equal(issued, 2000);
});

test('what is refused anyway uses up nothing', async () => {
  const asked = { entryId: 'policy-uid', expectedSpiffeId: ID };
  const gone = { ...asked, entryId: 'gone' };
  const half = { podUid: 'pod-uid', audience: ['a'] };
  const batch = [...Array.from({ length: 25 }, () => asked), gone, gone, gone];
  for (let call = 0; call < 2; call += 1) {
    const results = await jwt.sign(caller, { ...half, items: batch });
    assert.equal(results.filter(({ allowed }) => allowed).length, 25);
  }
});

test('a malformed audience is the caller’s mistake', async () => {
  await assert.rejects(mint({}, []), { code: 'invalid-argument' });
  await assert.rejects(mint({}, ['a', 'a']), { code: 'invalid-argument' });
});

test('an ID of another trust domain is never signed, whatever the source says', async () => {
  const spiffeId = parseSpiffeId('spiffe://example.net/ns/city/sa/agent');
  pods.set(pod({ entries: [entry({ spiffeId })] }));
  const [result] = await x509.sign(caller, [{ ...item(), expectedSpiffeId: spiffeId }], signal);
  assert.equal(result?.allowed === false && result.reason, 'RequestInvalid');
  const minted = await mint({ spiffeId });
  assert.equal(minted.reason, 'RequestInvalid');
});

test('the paths that are ours are never signed, whatever the source says', async () => {
  const spiffeId = parseSpiffeId('spiffe://example.org/signet/issuer');
  pods.set(pod({ entries: [entry({ spiffeId })] }));
  const [result] = await x509.sign(caller, [{ ...item(), expectedSpiffeId: spiffeId }], signal);
  assert.equal(result?.allowed === false && result.reason, 'RequestInvalid');
  assert.equal((await mint({ spiffeId })).reason, 'RequestInvalid');
});
