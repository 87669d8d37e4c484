// Mutual TLS while SVIDs rotate, are withdrawn, or cannot be asked for.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { X509Source } from '../../../client/src/index.ts';
import { exactly } from '../../../client/src/index.ts';
import { CodedError } from '../../../src/base/errors.ts';
import type { FakeWorkloadApi } from '../../fakes/fake-workload-api.ts';
import { x509Answer } from '../../fakes/fake-workload-api.ts';
import {
  apis,
  CLIENT_ID,
  ca,
  dial,
  echo,
  LIMIT_MS,
  seen,
  serve,
  sources,
  useWorkloads,
} from './mtls-fixtures.ts';

useWorkloads();

async function nextState(source: X509Source, status: string): Promise<void> {
  for await (const state of source.changes(AbortSignal.timeout(LIMIT_MS))) {
    if (state.status === status) return;
  }
  assert.fail(`the source never became ${status}`);
}

/** Gives the source a new SVID and waits until it has it. */
async function rotate(api: FakeWorkloadApi, source: X509Source, path: string): Promise<void> {
  const fresh = ca.svid(path);
  api.x509Svids.set(x509Answer(ca, [fresh]));
  for await (const state of source.changes(AbortSignal.timeout(LIMIT_MS))) {
    if (state.status === 'current' && fresh.privateKey.equals(source.svid.privateKey)) return;
  }
  assert.fail('the source did not follow');
}

test('an open connection survives a rotation, and the next one uses the new certificate', async () => {
  const server = await serve(exactly(CLIENT_ID));
  const before = await dial(server);
  await rotate(apis.server, sources.server, '/server');
  const after = await dial(server);
  const serials = [before, after].map((socket) => socket.getPeerCertificate().serialNumber);
  assert.notEqual(serials[0], serials[1]);
  assert.equal(await echo(before, 'still here'), 'still here');
  assert.equal(await echo(after, 'new'), 'new');
});

test('WA-21: a withdrawn identity accepts nobody until there is one again', async () => {
  const server = await serve(exactly(CLIENT_ID));
  apis.server.x509Svids.set(new CodedError('permission-denied', 'no identity issued: Suspended'));
  await nextState(sources.server, 'withdrawn');
  assert.throws(() => sources.server.svid, { message: /no identity issued: Suspended/ });
  await assert.rejects(dial(server), { name: 'CodedError' });
  assert.deepEqual(seen, []);
  await rotate(apis.server, sources.server, '/server');
  assert.equal(await echo(await dial(server), 'again'), 'again');
});

test('WA-03: a source keeps its SVID while the server is away, and follows it when it is back', async () => {
  const held = sources.client.svid;
  await apis.client.kill();
  assert.equal(sources.client.svid, held);
  await apis.client.start();
  await rotate(apis.client, sources.client, '/client');
  assert.notEqual(sources.client.svid, held);
});

test('WE-16: InvalidArgument ends a source for good', async () => {
  apis.client.x509Svids.set(new CodedError('invalid-argument', 'bad request'));
  await nextState(sources.client, 'failed');
  assert.throws(() => sources.client.svid, { code: 'invalid-argument' });
});
