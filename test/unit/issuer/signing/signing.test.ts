// Signing as a whole: what is decided per item, what is written down, and what gets out.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readCertificate } from '../../../../src/spiffe/certificate/certificate.ts';
import { publicKeyBits } from '../../../../src/spiffe/certificate/key-identifier.ts';
import { parseSpiffeId } from '../../../../src/spiffe/spiffe-id.ts';
import { entry, NODE, pod } from '../fixtures.ts';
import { newPoint } from '../new-point.ts';
import {
  audit,
  caller,
  clock,
  current,
  ID,
  jwt,
  mint,
  pods,
  useSigning,
  x509,
} from './signing-fixtures.ts';

useSigning();

const signal = new AbortController().signal;

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
