// Validation of JWT-SVIDs on a pod's socket.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CodedError } from '../../../src/base/errors.ts';
import { parseSpiffeId } from '../../../src/spiffe/spiffe-id.ts';
import { TestAuthority } from '../../fakes/test-authority.ts';
import { node, pod, useNode } from './jwt-fixtures.ts';
import { Messages, NOW } from './node-harness.ts';

useNode();

test('WA-30, WA-31, PF-08: a token is validated; aud is a list, own claims are all there', async () => {
  const { workload, fetch } = await pod(['/a']);
  const [token] = await fetch(['db']);
  const svid = token?.svid ?? '';
  const valid = await workload.validateJWTSVID({ audience: 'db', svid }, node.call);
  assert.equal(valid.spiffeId, 'spiffe://example.org/a');
  const { aud, sub, exp, n } = valid.claims ?? {};
  assert.deepEqual(
    { aud, sub, exp, n },
    {
      aud: ['db'],
      sub: 'spiffe://example.org/a',
      exp: (NOW + 300_000) / 1000,
      n: '1',
    },
  );
});

test('WA-30: a token for another audience, expired, forged or no token is InvalidArgument', async () => {
  const { workload, fetch } = await pod(['/a']);
  const [token] = await fetch(['db']);
  const svid = token?.svid ?? '';
  const forger = await TestAuthority.create('example.org', NOW);
  const id = parseSpiffeId('spiffe://example.org/a');
  const forged = forger.token({ spiffeId: id, audience: ['db'] }, NOW, NOW + 60_000);
  const validate = async (audience: string, candidate: string) =>
    await workload.validateJWTSVID({ audience, svid: candidate }, node.call);
  for (const candidate of [forged, 'x', `${svid}x`, svid.replace('.', '..'), 'x'.repeat(20_000)]) {
    await assert.rejects(validate('db', candidate), { code: 'invalid-argument' });
  }
  await assert.rejects(validate('cache', svid), { code: 'invalid-argument' });
  await assert.rejects(validate('', svid), { code: 'invalid-argument', message: /^audience/ });
  await assert.rejects(validate('db', ''), { code: 'invalid-argument', message: /^svid/ });
  await node.clock.advance(361_000);
  await assert.rejects(validate('db', svid), { code: 'invalid-argument', message: /expired/ });
});

test('WA-33, PF-08: a federated token is checked by its own bundle, its other claims left out', async () => {
  const partner = await TestAuthority.create('partner.test', NOW);
  const stranger = await TestAuthority.create('stranger.test', NOW);
  node.issuer.federated = [partner.bundle, stranger.bundle];
  node.issuer.pushBundles();
  const { workload } = await pod(['/a'], { entry: { federatesWith: ['partner.test'] } });
  await new Messages(workload.fetchX509SVID({}, node.call)).next();
  const claims = new Map([['agent_task', 'secret']]);
  const tokenOf = (authority: TestAuthority) =>
    authority.token(
      { spiffeId: parseSpiffeId(`spiffe://${authority.trustDomain}/x`), audience: ['db'], claims },
      NOW,
      NOW + 60_000,
    );
  const good = { audience: 'db', svid: tokenOf(partner) };
  const valid = await workload.validateJWTSVID(good, node.call);
  assert.deepEqual(Object.keys(valid.claims ?? {}).toSorted(), ['aud', 'exp', 'sub']);
  const bad = { audience: 'db', svid: tokenOf(stranger) };
  await assert.rejects(workload.validateJWTSVID(bad, node.call), { code: 'invalid-argument' });
});

test('a pod that has token after token validated is told to wait; other pods are not held up', async () => {
  const { workload } = await pod(['/a']);
  const other = await pod(['/b']);
  const validate = async (client: typeof workload) =>
    await client.validateJWTSVID({ audience: 'db', svid: 'x' }, node.call).then(
      () => 'valid',
      (thrown: unknown) => CodedError.from(thrown).code,
    );
  const codes = new Set<string>();
  for (let round = 0; round < 9; round += 1) {
    const answers = await Promise.all(
      Array.from({ length: 50 }, async () => await validate(workload)),
    );
    for (const code of answers) codes.add(code);
    if (round === 7) assert.deepEqual([...codes], ['invalid-argument'], 'a burst of 400 is fine');
  }
  assert.deepEqual([...codes], ['invalid-argument', 'unavailable']);
  assert.equal(await validate(other.workload), 'invalid-argument');
  await node.clock.advance(1000);
  assert.equal(await validate(workload), 'invalid-argument');
});
