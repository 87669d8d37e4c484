import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import { JwtSource, WorkloadApiClient } from '../../../client/src/index.ts';
import { CodedError } from '../../../src/base/errors.ts';
import { FakeClock } from '../../fakes/fake-clock.ts';
import { FakeWorkloadApi } from '../../fakes/fake-workload-api.ts';

const ID = 'spiffe://example.org/web';
const LIFE_MS = 300_000;

let directory: string;
let api: FakeWorkloadApi;
let clock: FakeClock;
let made: number;

beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), 'signet-jwt-'));
  api = new FakeWorkloadApi(join(directory, 's'));
  clock = new FakeClock();
  made = 0;
  api.jwtSvid = ({ audience }) => ({ svids: [{ spiffeId: ID, svid: token(audience), hint: 'h' }] });
  await api.start();
});

afterEach(async () => {
  await api.stop();
  rmSync(directory, { recursive: true, force: true });
});

/** A new token each time; nobody here looks at the signature. */
function token(aud: readonly string[]): string {
  made += 1;
  const encode = (part: object) => Buffer.from(JSON.stringify(part)).toString('base64url');
  const claims = { sub: ID, aud, exp: (clock.now() + LIFE_MS) / 1000, jti: String(made) };
  return `${encode({ alg: 'ES256', kid: 'k', typ: 'JWT' })}.${encode(claims)}.AAAA`;
}

test('WE-06, WE-22: a token is fetched for an audience, with the header that the API demands', async () => {
  const client = new WorkloadApiClient({ address: api.address });
  const svid = await client.fetchJwtSvid({ audience: 'db' });
  assert.equal(svid.spiffeId, ID);
  assert.equal(svid.expiresAt, clock.now() + LIFE_MS);
  assert.ok(!JSON.stringify(svid).includes(svid.token));
  await assert.rejects(client.fetchJwtSvid({ audience: [] }), { code: 'invalid-argument' });
  client.close();
});

test('WA-11: a token for another SPIFFE ID than the answer says is refused', async () => {
  api.jwtSvid = ({ audience }) => ({ svids: [{ spiffeId: `${ID}/x`, svid: token(audience) }] });
  const client = new WorkloadApiClient({ address: api.address });
  await assert.rejects(client.fetchJwtSvid({ audience: 'db' }), { message: /spiffe_id/ });
  client.close();
});

test('WA-32: the server validates a token, and its answer comes back parsed', async () => {
  api.validation = { spiffeId: ID, claims: { sub: ID, aud: ['db'] } };
  const client = new WorkloadApiClient({ address: api.address });
  const validated = await client.validateJwtSvid('a.b.c', 'db');
  assert.equal(validated.spiffeId, ID);
  assert.deepEqual(validated.claims['aud'], ['db']);
  client.close();
});

test('a source keeps a token for half of its life, per audience', async () => {
  const source = new JwtSource({ address: api.address, clock });
  const first = await source.fetch({ audience: 'db' });
  clock.jump(LIFE_MS / 2 - 1);
  assert.equal((await source.fetch({ audience: 'db' })).token, first.token);
  assert.notEqual((await source.fetch({ audience: 'queue' })).token, first.token);
  clock.jump(1);
  assert.notEqual((await source.fetch({ audience: 'db' })).token, first.token);
  source.close();
});

test('an unavailable server costs nothing before expiry; a refusal counts at once', async () => {
  const source = new JwtSource({ address: api.address, clock });
  const first = await source.fetch({ audience: 'db' });
  clock.jump(LIFE_MS / 2);
  api.jwtSvid = () => new CodedError('unavailable', 'restarting');
  assert.equal((await source.fetch({ audience: 'db' })).token, first.token);
  api.jwtSvid = () => new CodedError('permission-denied', 'no identity issued');
  await assert.rejects(source.fetch({ audience: 'db' }), { code: 'permission-denied' });
  api.jwtSvid = () => new CodedError('unavailable', 'restarting');
  await assert.rejects(source.fetch({ audience: 'db' }), { code: 'unavailable' });
  source.close();
});

test('one that nobody has seen is fetched each time, and not from memory when the server is away', async () => {
  const source = new JwtSource({ address: api.address, clock });
  const kept = await source.fetch({ audience: 'db' });
  const once = await source.fetchNew({ audience: 'db' });
  assert.notEqual(once.token, kept.token);
  assert.notEqual((await source.fetchNew({ audience: 'db' })).token, once.token);
  assert.equal((await source.fetch({ audience: 'db' })).token, kept.token);
  api.jwtSvid = () => new CodedError('unavailable', 'restarting');
  await assert.rejects(source.fetchNew({ audience: 'db' }), { code: 'unavailable' });
  source.close();
});
