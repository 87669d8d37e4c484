// Signing of JWT-SVIDs: what they say, what is denied, how many a node may have.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { entry, pod } from '../fixtures.ts';
import { audit, caller, clock, ID, jwt, mint, pods, useSigning } from './signing-fixtures.ts';

useSigning();

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

test('a malformed audience is the caller’s mistake', async () => {
  await assert.rejects(mint({}, []), { code: 'invalid-argument' });
  await assert.rejects(mint({}, ['a', 'a']), { code: 'invalid-argument' });
});
