// A guard before plain http and fastify, over real connections; who asks is what a header says here,
// for TLS is another test's business.

import assert from 'node:assert/strict';
import { mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { fastify } from 'fastify';
import { AccessGuard, type AccessRecord } from '../../../client/src/access-guard.ts';
import { AccessPolicyFile } from '../../../client/src/access-policy-file.ts';
import type { CodedError } from '../../../src/base/errors.ts';
import { parseSpiffeId } from '../../../src/spiffe/spiffe-id.ts';

const directory = mkdtempSync(join(tmpdir(), 'signet-access-'));
const path = join(directory, 'policy.yaml');
const policyOf = (peer: string) => `apiVersion: signet.dev/v1alpha1
kind: AccessPolicy
metadata: {name: p}
operations: [read, write]
rules: [{name: ${peer}, peers: ["spiffe://a.org/${peer}"], operations: [read]}]
`;
writeFileSync(path, policyOf('one'));
const reloads: string[] = [];
const errors: CodedError[] = [];
const file = AccessPolicyFile.open(path, {
  lookEveryMs: 5,
  onReload: (digest) => reloads.push(digest),
  onError: (error) => errors.push(error),
});
const records: AccessRecord[] = [];
let isFull = false;
/** A recorder that is at work takes until it is settled. */
let recording: Promise<void> | undefined;
const guard = new AccessGuard({
  policy: file,
  operationOf: ({ url = '' }) => (url === '/none' ? undefined : url.slice(1)),
  onDecision: (record) => {
    if (isFull) throw new Error('disk full');
    records.push(record);
    return recording;
  },
  peerOf: async ({ headers }: IncomingMessage) =>
    parseSpiffeId(`spiffe://a.org/${String(headers['x-peer'] ?? ' ')}`),
});

const plain = createServer((request, response) => {
  void guard.admit(request, response).then((peer) => {
    if (peer !== undefined) response.end(peer);
  });
});
await new Promise<void>((resolve) => plain.listen(0, '127.0.0.1', resolve));
const app = fastify();
app.addHook('onRequest', guard.onRequest);
app.get('/read', () => 'spiffe://a.org/one');
await app.listen({ host: '127.0.0.1', port: 0 });
const bases = {
  http: `http://127.0.0.1:${(plain.address() as AddressInfo).port}`,
  fastify: `http://127.0.0.1:${(app.server.address() as AddressInfo).port}`,
};
after(async () => {
  file.close();
  plain.close();
  plain.closeAllConnections();
  await app.close();
  rmSync(directory, { recursive: true });
});

async function ask(base: string, url: string, peer?: string): Promise<[number, string]> {
  const headers: Record<string, string> = peer === undefined ? {} : { 'x-peer': peer };
  const response = await fetch(`${base}${url}`, { headers });
  return [response.status, await response.text()];
}

const refusal = (reason: string) => JSON.stringify({ error: 'permission denied', reason });

for (const [server, base] of Object.entries(bases)) {
  test(`${server}: deny by default, and each answer recorded`, async () => {
    records.length = 0;
    assert.deepEqual(await ask(base, '/read', 'one'), [200, 'spiffe://a.org/one']);
    assert.deepEqual(await ask(base, '/read', 'two'), [403, refusal('NoRule')]);
    assert.deepEqual(await ask(base, '/write', 'one'), [403, refusal('NoRule')]);
    assert.deepEqual(await ask(base, '/drop', 'one'), [403, refusal('UnknownOperation')]);
    assert.deepEqual(await ask(base, '/none', 'one'), [403, refusal('NoOperation')]);
    assert.deepEqual(await ask(base, '/read'), [401, refusal('NoPeer')]);
    assert.deepEqual(
      records.map(({ peer, operation, allowed, rule, reason }) => [
        peer.replace('spiffe://a.org/', ''),
        operation,
        allowed,
        rule,
        reason,
      ]),
      [
        ['one', 'read', true, 'one', ''],
        ['two', 'read', false, '', 'NoRule'],
        ['one', 'write', false, '', 'NoRule'],
        ['one', 'drop', false, '', 'UnknownOperation'],
        ['one', '', false, '', 'NoOperation'],
        ['', '', false, '', 'NoPeer'],
      ],
    );
    assert.ok(records.every(({ policy }) => policy === file.digest));
  });
}

test('what cannot be recorded is refused', async () => {
  isFull = true;
  assert.deepEqual(await ask(bases.http, '/read', 'one'), [403, refusal('NotRecorded')]);
  isFull = false;
});

test('a record that takes its time is waited for, and its failure refuses', async () => {
  const { promise, reject } = Promise.withResolvers<void>();
  recording = promise;
  let isAnswered = false;
  const asked = Object.values(bases).map(async (base) => {
    const answer = await ask(base, '/read', 'one');
    isAnswered = true;
    return answer;
  });
  const decided = guard.decide(parseSpiffeId('spiffe://a.org/one'), 'read');
  const before = records.length;
  await until(() => records.length >= before + asked.length);
  await new Promise((later) => setTimeout(later, 50));
  assert.equal(isAnswered, false, 'nobody is answered before it is recorded');
  reject(new Error('disk full'));
  for (const answer of asked) assert.deepEqual(await answer, [403, refusal('NotRecorded')]);
  const decision = await decided;
  assert.equal(decision.allowed ? '' : decision.reason, 'NotRecorded');
  recording = Promise.resolve();
  assert.equal((await guard.decide(parseSpiffeId('spiffe://a.org/one'), 'read')).allowed, true);
  recording = undefined;
});

test('a replaced policy counts from then on; one that does not parse changes nothing', async () => {
  replace('rules: oops');
  await until(() => errors.length > 0);
  assert.match(errors[0]?.message ?? '', /apiVersion/);
  assert.deepEqual(await ask(bases.http, '/read', 'one'), [200, 'spiffe://a.org/one']);
  replace(policyOf('two'));
  await until(() => reloads.length > 0);
  assert.deepEqual(await ask(bases.http, '/read', 'one'), [403, refusal('NoRule')]);
  assert.deepEqual(await ask(bases.http, '/read', 'two'), [200, 'spiffe://a.org/two']);
  rmSync(path);
  const before = errors.length;
  await until(() => errors.length > before);
  assert.deepEqual(await ask(bases.http, '/read', 'two'), [200, 'spiffe://a.org/two']);
});

test('without a policy there is nothing to begin with', () => {
  assert.throws(() => AccessPolicyFile.open(join(directory, 'none')), { code: 'invalid-argument' });
  assert.throws(() => AccessPolicyFile.open(directory), { code: 'invalid-argument' });
});

function replace(text: string): void {
  writeFileSync(`${path}.new`, text);
  renameSync(`${path}.new`, path);
}

async function until(holds: () => boolean): Promise<void> {
  for (let tries = 0; tries < 1000 && !holds(); tries += 1) {
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  assert.ok(holds());
}
