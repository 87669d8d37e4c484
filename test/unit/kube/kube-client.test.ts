import assert from 'node:assert/strict';
import { mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import { CodedError } from '../../../src/base/errors.ts';
import { fixedAccess, parseOrigin, serviceAccountAccess } from '../../../src/kube/kube-access.ts';
import { KubeClient, type KubeClientOptions, segment } from '../../../src/kube/kube-client.ts';
import { KubeError } from '../../../src/kube/kube-error.ts';
import { FakeApiServer, type Fault, failure } from '../../fakes/fake-api-server.ts';
import { FakeClock } from '../../fakes/fake-clock.ts';

const PODS = '/api/v1/pods';
let api: FakeApiServer;
let clock: FakeClock;
let clients: KubeClient[];

beforeEach(async () => {
  api = await FakeApiServer.start();
  clock = new FakeClock();
  clients = [];
});
afterEach(async () => {
  for (const client of clients) client.close();
  await api.stop();
});

function client(options: Partial<KubeClientOptions> = {}): KubeClient {
  const made = new KubeClient({
    access: fixedAccess({ url: api.url, ca: api.ca, token: api.token }),
    clock,
    userAgent: 'signet-test/0',
    ...options,
  });
  clients.push(made);
  return made;
}

async function failing(act: Fault['act'], options: Partial<KubeClientOptions> = {}) {
  api.faults.push({ on: () => true, act });
  try {
    await client(options).send({ method: 'GET', path: PODS });
  } catch (thrown) {
    if (thrown instanceof CodedError) return thrown;
  }
  return assert.fail('it was not refused with a code');
}

test('a request carries the token, and its answer comes back as JSON', async () => {
  api.set(PODS, { metadata: { name: 'a', namespace: 'n' } });
  const list = await client().send({ method: 'GET', path: PODS, query: { limit: '5' } });
  assert.equal((list['items'] as unknown[]).length, 1);
  assert.equal(api.requests[0]?.token, 'api-token');
  assert.equal(api.requests[0]?.query.get('limit'), '5');
});

const CODES = [
  [400, 'invalid-argument'],
  [401, 'unauthenticated'],
  [403, 'permission-denied'],
  [404, 'not-found'],
  [405, 'unimplemented'],
  [409, 'aborted'],
  [410, 'failed-precondition'],
  [413, 'resource-exhausted'],
  [422, 'invalid-argument'],
  [429, 'unavailable'],
  [302, 'internal'],
  [500, 'unavailable'],
  [503, 'unavailable'],
] as const;

for (const [status, code] of CODES) {
  test(`status ${status} is ${code}`, async () => {
    const error = await failing({ status });
    assert.ok(error instanceof KubeError);
    assert.deepEqual([error.code, error.status], [code, status]);
  });
}

test('410 has the reason Gone, a create of what exists is already-exists', async () => {
  assert.equal((await failing({ status: 410 })).reason, 'Gone');
  api.faults.length = 0;
  api.set('/api/v1/configmaps', { metadata: { name: 'c', namespace: 'n' } });
  const create = client().send({
    method: 'POST',
    path: '/api/v1/namespaces/n/configmaps',
    body: { metadata: { name: 'c' } },
  });
  await assert.rejects(create, { code: 'already-exists' });
});

test('F-13: Retry-After is read from the header or the Status, and has an upper bound', async () => {
  const cases = [
    [{ status: 429, headers: { 'retry-after': '7' } }, 7000],
    [{ status: 503, body: { ...failure(503, 'x', 'y'), details: { retryAfterSeconds: 3 } } }, 3000],
    [{ status: 429, headers: { 'retry-after': '99999' } }, 120_000],
    [{ status: 429, headers: { 'retry-after': 'soon' } }, undefined],
    [{ status: 429 }, undefined],
  ] as const;
  for (const [act, expected] of cases) {
    api.faults.length = 0;
    const error = await failing(act);
    assert.equal(error instanceof KubeError && error.retryAfterMs, expected);
  }
});

test('a broken connection, a stalled answer and an answer that is no JSON are unavailable', async () => {
  assert.equal((await failing('drop')).code, 'unavailable');
  api.faults.length = 0;
  assert.equal((await failing('stall', { timeoutMs: 50 })).code, 'unavailable');
  api.faults.length = 0;
  assert.equal((await failing({ status: 200, raw: '<html>' })).code, 'unavailable');
  api.faults.length = 0;
  assert.equal((await failing({ status: 200, raw: '[]' })).code, 'unavailable');
});

test('an answer above the limit is cut off', async () => {
  const act = { status: 200, body: { filler: 'x'.repeat(5000) } };
  assert.equal((await failing(act, { maxBodyBytes: 1000 })).code, 'resource-exhausted');
});

test('errors hold neither the token nor a body', async () => {
  const error = await failing({ status: 500, raw: 'api-token' });
  assert.ok(!error.message.includes('api-token'));
});

test('a server of another authority is not spoken to', async () => {
  const other = await FakeApiServer.start();
  const access = fixedAccess({ url: api.url, ca: other.ca, token: api.token });
  await assert.rejects(client({ access }).send({ method: 'GET', path: PODS }), {
    code: 'unavailable',
  });
  assert.equal(api.requests.length, 0);
  await other.stop();
});

test('only an answer that is no overload counts as one', async () => {
  const made = client();
  api.faults.push({ on: () => true, act: { status: 503 }, times: 1 });
  await assert.rejects(made.send({ method: 'GET', path: PODS }));
  assert.equal(made.answers.lastAt, Number.NEGATIVE_INFINITY);
  await made.send({ method: 'GET', path: PODS });
  assert.equal(made.answers.lastAt, clock.now());
});

test('only https origins are taken: a token is never sent in the clear', () => {
  for (const url of ['http://h:1', 'https://h', 'https://u@h:1', 'https://h:1/x', 'https://h:0']) {
    assert.throws(() => parseOrigin(url), { code: 'invalid-argument' });
  }
  assert.deepEqual(parseOrigin('https://[fd00::1]:6443'), { host: 'fd00::1', port: 6443 });
  assert.deepEqual(parseOrigin('https://fd00::1:443'), { host: 'fd00::1', port: 443 });
  assert.deepEqual(parseOrigin('https://10.0.0.1:443'), { host: '10.0.0.1', port: 443 });
});

test('a name that would change the path is none', () => {
  for (const name of ['', '..', '.', 'a/b', 'a?b', 'a%2fb', 'a#b']) {
    assert.throws(() => segment(name), { code: 'invalid-argument' });
  }
  assert.equal(segment('signet-root.v1'), 'signet-root.v1');
});

test('the token file is read again, at once after a 401', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'signet-kube-'));
  const put = async (token: string) => {
    await writeFile(join(directory, 'new'), `${token}\n`);
    await rename(join(directory, 'new'), join(directory, 'token'));
  };
  await put('first');
  await writeFile(join(directory, 'ca.crt'), api.ca);
  const access = serviceAccountAccess({ url: api.url, directory, clock });
  const made = client({ access });
  api.token = 'first';
  await made.send({ method: 'GET', path: PODS });
  api.token = 'second';
  await put('second');
  await assert.rejects(made.send({ method: 'GET', path: PODS }), { code: 'unauthenticated' });
  await made.send({ method: 'GET', path: PODS });
  api.token = 'third';
  await put('third');
  await clock.advance(10_000);
  await made.send({ method: 'GET', path: PODS });
  await rm(directory, { recursive: true });
  await clock.advance(10_000);
  await assert.rejects(made.send({ method: 'GET', path: PODS }), { code: 'unavailable' });
});
