// JWT-SVIDs on a pod's socket: signed for the audience asked for, kept for a while.

import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { test } from 'node:test';
import { CodedError } from '../../../src/base/errors.ts';
import { podMessage } from '../../fakes/fake-issuer.ts';
import { bad, node, pod, useNode } from './jwt-fixtures.ts';

useNode();

function claimsOf(token: string | undefined): Record<string, unknown> {
  const claims: unknown = JSON.parse(
    Buffer.from(token?.split('.')[1] ?? '', 'base64url').toString(),
  );
  return claims as Record<string, unknown>;
}

test('WA-23, WA-24, WA-25: a token for every identity, with the audiences asked for', async () => {
  const { fetch } = await pod(['/a', '/b']);
  const svids = await fetch(['db', 'cache']);
  assert.deepEqual(
    svids.map(({ spiffeId }) => spiffeId),
    ['spiffe://example.org/a', 'spiffe://example.org/b'],
  );
  for (const { svid, spiffeId } of svids) {
    assert.deepEqual(claimsOf(svid)['aud'], ['db', 'cache']);
    assert.equal(claimsOf(svid)['sub'], spiffeId);
  }
});

test('WA-24: a named identity alone', async () => {
  const { fetch } = await pod(['/a', '/b']);
  const [svid, ...more] = await fetch(['db'], 'spiffe://example.org/b');
  assert.equal(more.length, 0);
  assert.equal(claimsOf(svid?.svid)['sub'], 'spiffe://example.org/b');
});

test('WA-26: an identity that is not the pod’s is PermissionDenied, never another one', async () => {
  const { fetch } = await pod(['/a']);
  await assert.rejects(fetch(['db'], 'spiffe://example.org/other'), {
    code: 'permission-denied',
    message: /^no identity issued: NotEntitled;/,
  });
  assert.equal(node.issuer.jwtRequests.length, 0);
});

for (const [name, audience, spiffeId] of bad) {
  test(`WA-10: ${name} is InvalidArgument`, async () => {
    const { fetch } = await pod(['/a']);
    await assert.rejects(fetch(audience, spiffeId), { code: 'invalid-argument' });
  });
}

test('ten audiences are served', async () => {
  const { fetch } = await pod(['/a']);
  assert.equal((await fetch(Array.from({ length: 10 }, (_, index) => `a${index}`))).length, 1);
});

test('a token is served again until half its life is over, for the same audiences only', async () => {
  const { fetch } = await pod(['/a']);
  const [first] = await fetch(['db']);
  await node.clock.advance(149_000);
  assert.equal((await fetch(['db']))[0]?.svid, first?.svid);
  assert.notEqual((await fetch(['cache']))[0]?.svid, first?.svid);
  await node.clock.advance(2000);
  assert.notEqual((await fetch(['db']))[0]?.svid, first?.svid);
  assert.equal(node.issuer.jwtRequests.length, 3);
});

test('a single-use token is never served twice, nor when the issuer is away', async () => {
  const { fetch } = await pod(['/a'], { entry: { jwtSingleUse: true } });
  const [first] = await fetch(['db']);
  const [second] = await fetch(['db']);
  assert.notEqual(first?.svid, second?.svid);
  node.issuer.jwtVerdict = () => new CodedError('unavailable', 'not now');
  await assert.rejects(fetch(['db']), { code: 'unavailable' });
});

test('the issuer is away: a token past half its life is served until ten seconds before its end', async () => {
  const { fetch } = await pod(['/a']);
  const [first] = await fetch(['db']);
  node.issuer.jwtVerdict = () => new CodedError('unavailable', 'not now');
  await node.clock.advance(280_000);
  assert.equal((await fetch(['db']))[0]?.svid, first?.svid);
  await node.clock.advance(11_000);
  await assert.rejects(fetch(['db']), { code: 'unavailable' });
});

test('PF-07: whatever keeps the issuer from signing is Unavailable; only a refusal is PermissionDenied', async () => {
  const { fetch } = await pod(['/a']);
  const codes = [
    'resource-exhausted',
    'unauthenticated',
    'permission-denied',
    'invalid-argument',
    'internal',
  ] as const;
  for (const code of codes) {
    node.issuer.jwtVerdict = () => new CodedError(code, 'no');
    await assert.rejects(fetch(['db']), { code: 'unavailable' }, code);
  }
  for (const reason of ['EntryChanged', 'ViewBehind', 'Throttled']) {
    node.issuer.jwtVerdict = () => ({ reason, message: 'later' });
    await assert.rejects(fetch(['db']), { code: 'unavailable' }, reason);
  }
  await node.clock.advance(1000);
  node.issuer.jwtVerdict = () => ({ reason: 'AudienceNotAllowed', message: 'no' });
  await assert.rejects(fetch(['db']), {
    code: 'permission-denied',
    message: /^no identity issued: AudienceNotAllowed;/,
  });
});

test('a newer word on the pod or a restriction drops its tokens, and another bundle does not', async () => {
  const { uid, fetch } = await pod(['/a']);
  const [first] = await fetch(['db']);
  node.issuer.pushPod(podMessage(uid, ['/a'], { version: 2n }));
  await acknowledged(uid, 2n);
  const [second] = await fetch(['db']);
  assert.notEqual(first?.svid, second?.svid);
  node.issuer.authority.sequence = 2n;
  node.issuer.pushBundles();
  await acknowledged('', 2n);
  assert.equal((await fetch(['db']))[0]?.svid, second?.svid);
  node.issuer.authority.sequence = 3n;
  node.issuer.restrictionVersion = 2n;
  node.issuer.pushBundles();
  await acknowledged('', 3n);
  assert.notEqual((await fetch(['db']))[0]?.svid, second?.svid);
});

async function acknowledged(podUid: string, version: bigint): Promise<void> {
  for (let turn = 0; turn < 20_000; turn += 1) {
    const said = node.issuer.reports.some(
      ({ report }) =>
        report.case === 'acknowledged' &&
        report.value.podUid === podUid &&
        report.value.version === version,
    );
    if (said) return;
    await new Promise<void>((resolve) => setImmediate(resolve));
  }
  assert.fail('never acknowledged');
}

test('an identity whose SVID is not signed yet is Unavailable, not PermissionDenied', async () => {
  node.issuer.x509Verdict = ({ entryId }) =>
    entryId === 'entry-1' ? { reason: 'ViewBehind', message: 'later' } : undefined;
  const { fetch } = await pod(['/a', '/b']);
  await fetch(['db'], 'spiffe://example.org/a');
  await assert.rejects(fetch(['db'], 'spiffe://example.org/b'), { code: 'unavailable' });
  await assert.rejects(fetch(['db'], 'spiffe://example.org/c'), { code: 'permission-denied' });
});

test('an identity whose tokens are denied: left out of several, PermissionDenied alone', async () => {
  const uid = randomUUID();
  const [a, b] = podMessage(uid, ['/a', '/b']).entries;
  assert.ok(a !== undefined && b !== undefined);
  const entries = [{ ...a, jwtDenied: true }, b];
  node.issuer.pushPod({ ...podMessage(uid, []), entries });
  const { workload } = await node.publish({ uid });
  const { svids } = await workload.fetchJWTSVID({ audience: ['db'] }, node.call);
  assert.deepEqual(
    svids.map(({ spiffeId }) => spiffeId),
    ['spiffe://example.org/b'],
  );
  const named = { audience: ['db'], spiffeId: 'spiffe://example.org/a' };
  await assert.rejects(workload.fetchJWTSVID(named, node.call), {
    code: 'permission-denied',
    message: /JwtDenied/,
  });
});
