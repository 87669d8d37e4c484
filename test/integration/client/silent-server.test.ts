// Servers that are there and say nothing: a connection that nobody takes up, a process that is stopped.
// No client waits on them for good, and each is back soon after the server is.

import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import { WorkloadApiClient, X509Source } from '../../../client/src/index.ts';
import { FakeWorkloadApi, x509Answer } from '../../fakes/fake-workload-api.ts';
import { TestCa } from '../../fakes/test-ca.ts';
import { until } from '../process-harness.ts';

const LIMIT_MS = 30_000;
/** Short enough for a test, long enough for a machine under load. */
const FIRST_ANSWER_MS = 500;
const ca = new TestCa('example.org');
let directory: string;
let path: string;
let closing: (() => Promise<void> | void)[];

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'signet-silent-'));
  path = join(directory, 's');
  closing = [];
});
afterEach(async () => {
  for (const close of closing.toReversed()) await close();
  rmSync(directory, { recursive: true, force: true });
});

/** Takes connections and says nothing on them. */
async function silentServer(): Promise<{ server: Server; sockets: Socket[] }> {
  const sockets: Socket[] = [];
  const server = createServer((socket) => {
    socket.on('error', () => {});
    sockets.push(socket);
  });
  await new Promise<void>((resolve) => server.listen(path, resolve));
  const close = () => {
    server.close();
    for (const socket of sockets) socket.destroy();
  };
  closing.push(close);
  return { server, sockets };
}

async function speakingServer(): Promise<FakeWorkloadApi> {
  const api = new FakeWorkloadApi(path);
  await api.start();
  api.x509Svids.set(x509Answer(ca, [ca.svid('/agent')]));
  closing.push(async () => await api.stop());
  return api;
}

test('a watch that hears nothing ends, and the next one uses a connection of its own', async () => {
  const { server, sockets } = await silentServer();
  const client = new WorkloadApiClient({
    address: `unix://${path}`,
    firstAnswerMs: FIRST_ANSWER_MS,
    timeoutMs: FIRST_ANSWER_MS,
  });
  closing.push(() => client.close());
  const signal = AbortSignal.timeout(LIMIT_MS);
  await assert.rejects(client.watchX509Context(signal).next(), {
    code: 'unavailable',
    message: 'no answer within 0.5 seconds',
  });
  assert.equal(sockets.length, 1);
  await assert.rejects(client.watchX509Context(signal).next(), {
    message: 'no answer within 1 seconds',
  });
  assert.equal(sockets.length, 2);
  // The old connections stay open at the other side: nothing but a new one can help.
  server.close();
  rmSync(path, { force: true });
  await speakingServer();
  const { value } = await client.watchX509Context(signal).next();
  assert.equal(value?.svids[0].spiffeId, 'spiffe://example.org/agent');
  assert.equal((await client.fetchX509Context()).svids.length, 1);
});

test('a call of one answer that took too long does not hold up the next one', async () => {
  const { server } = await silentServer();
  const client = new WorkloadApiClient({ address: `unix://${path}`, timeoutMs: FIRST_ANSWER_MS });
  closing.push(() => client.close());
  await assert.rejects(client.fetchX509Context(), { code: 'unavailable' });
  server.close();
  rmSync(path, { force: true });
  await speakingServer();
  await until(async () => {
    const context = await client.fetchX509Context().catch(() => undefined);
    return context?.svids.length === 1;
  }, LIMIT_MS);
});

test('a stream that was answered may be quiet for as long as it likes', async () => {
  const api = await speakingServer();
  const client = new WorkloadApiClient({
    address: `unix://${path}`,
    firstAnswerMs: FIRST_ANSWER_MS,
  });
  closing.push(() => client.close());
  const stop = new AbortController();
  closing.push(() => stop.abort());
  const watch = client.watchX509Context(stop.signal);
  await watch.next();
  await new Promise((resolve) => setTimeout(resolve, 3 * FIRST_ANSWER_MS));
  api.x509Svids.set(x509Answer(ca, [ca.svid('/other')]));
  const { value } = await watch.next();
  assert.equal(value?.svids[0].spiffeId, 'spiffe://example.org/other');
  assert.deepEqual(api.calls, ['FetchX509SVID']);
});

test('WA-03: after an absence of many attempts, a source is back within seconds', async () => {
  const api = await speakingServer();
  let failures = 0;
  const source = new X509Source({
    address: api.address,
    report: () => {
      failures += 1;
    },
  });
  closing.push(() => source.close());
  await source.ready(AbortSignal.timeout(LIMIT_MS));
  await api.kill();
  await until(() => failures >= 7, LIMIT_MS);
  const before = source.svid.notAfter;
  api.x509Svids.set(x509Answer(ca, [ca.svid('/agent', { notAfter: new Date(before + 60_000) })]));
  await api.start();
  const startedAt = performance.now();
  await until(() => source.svid.notAfter !== before, LIMIT_MS);
  // Attempts are two seconds apart at most; the rest is for a machine under load.
  assert.ok(performance.now() - startedAt < 15_000);
});
