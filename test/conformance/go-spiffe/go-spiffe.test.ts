// go-spiffe, the library that most SPIFFE workloads use, against the sockets of dev mode: it gets and
// checks identities, follows rotations, and talks mTLS with our own client library both ways.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { after, before, suite, test } from 'node:test';
import {
  connectTls,
  createTlsServer,
  exactly,
  peerSpiffeId,
  X509Source,
} from '../../../client/src/index.ts';
import { DevProcess, podManifest, policyManifest } from '../../integration/dev/dev-process.ts';
import { GoWorkloads, type Result } from './go-workload.ts';

const hasGo = spawnSync('go', ['version']).status === 0;
const skip = hasGo || process.env['CI'] === 'true' ? false : 'needs go';
const BUILD_AND_RUN_MS = 240_000;
const LIMIT_MS = 15_000;

const GO_ID = 'spiffe://example.org/go';
const NODE_ID = 'spiffe://example.org/node';
const STRANGER_ID = 'spiffe://example.org/stranger';
const LIFE_SECONDS = 5;
/** notBefore is set back a little, for clocks that are behind. */
const BACKDATED_SECONDS = 60;

suite('go-spiffe', { skip, timeout: BUILD_AND_RUN_MS }, () => {
  const go = new GoWorkloads();
  const dev = new DevProcess({
    'policy.json': policyManifest('by-name', {
      spiffeIDTemplate: 'spiffe://example.org/{{ .PodMeta.Name }}',
      ttl: `${LIFE_SECONDS}s`,
    }),
    'go.json': podManifest('go'),
    'node.json': podManifest('node'),
  });
  const cleanUp: (() => void)[] = [];
  let goSocket = '';
  let source: X509Source;

  before(async () => {
    go.build();
    await dev.start();
    goSocket = (await dev.pod('shop/go')).socket;
    const { socket } = await dev.pod('shop/node');
    source = new X509Source({ address: `unix://${socket}` });
    await source.ready(AbortSignal.timeout(LIMIT_MS));
  });
  after(async () => {
    for (const undo of cleanUp) undo();
    source.close();
    await go.close();
    await dev.close();
  });

  test('WA-06, WA-13: it gets an X.509-SVID and verifies it by the bundles', async () => {
    const [found] = await go.run('fetch', goSocket);
    assert.deepEqual(found, {
      id: GO_ID,
      verified: GO_ID,
      ids: [GO_ID],
      domains: ['example.org'],
      certificates: 2,
      seconds: LIFE_SECONDS + BACKDATED_SECONDS,
    });
  });

  test('PF-01, PF-07: a JWT-SVID passes the Workload API and go-spiffe, for its audience only', async () => {
    const [found] = await go.run('jwt', goSocket, 'billing');
    assert.equal(found?.['error'], undefined);
    assert.equal(found?.['fetched'], GO_ID);
    assert.equal(found['byServer'], GO_ID);
    assert.equal(found['local'], GO_ID);
    assert.deepEqual(found['audience'], ['billing']);
    assert.match(String(found['foreignServer']), /InvalidArgument/);
    assert.match(String(found['foreignLocal']), /expected audience/);
    assert.match(String(found['forged']), /InvalidArgument/);
  });

  async function goServer(
    expected: string,
  ): Promise<{ port: number; lines: AsyncIterator<Result> }> {
    const lines = go.start('serve', goSocket, expected);
    const first = await lines.next();
    assert.ok(first.done !== true);
    assert.equal(typeof first.value['listening'], 'number', JSON.stringify(first.value));
    return { port: Number(first.value['listening']), lines };
  }

  test('T-16: a Go server and our client know each other by ID', async () => {
    const { port, lines } = await goServer(NODE_ID);
    const socket = await connectTls({
      source,
      authorize: exactly(GO_ID),
      to: { host: '127.0.0.1', port },
      timeoutMs: LIMIT_MS,
    });
    cleanUp.push(() => socket.destroy());
    assert.equal(peerSpiffeId(socket), GO_ID);
    socket.write('hello\n');
    const [bytes] = await once(socket, 'data', { signal: AbortSignal.timeout(LIMIT_MS) });
    assert.equal(String(bytes), 'hello\n');
    assert.deepEqual((await lines.next()).value, { peer: NODE_ID, line: 'hello\n' });
  });

  test('our client refuses a Go server that is not the one it expects', async () => {
    const { port } = await goServer(NODE_ID);
    const to = { host: '127.0.0.1', port };
    await assert.rejects(
      connectTls({ source, authorize: exactly(STRANGER_ID), to, timeoutMs: LIMIT_MS }),
      { code: 'permission-denied' },
    );
  });

  test('a Go server refuses our client when it expects another', async () => {
    const { port, lines } = await goServer(STRANGER_ID);
    const to = { host: '127.0.0.1', port };
    // In TLS 1.3 the client is done before the server has judged it.
    const socket = await connectTls({ source, authorize: exactly(GO_ID), to }).catch(() => {});
    socket?.on('error', () => {});
    cleanUp.push(() => socket?.destroy());
    const { value } = await lines.next();
    assert.match(String(value['refused']), /unexpected ID "spiffe:\/\/example\.org\/node"/);
  });

  async function nodeServer(expected: string): Promise<{ address: string; seen: string[] }> {
    const seen: string[] = [];
    const server = createTlsServer({ source, authorize: exactly(expected) }, (socket) => {
      seen.push(peerSpiffeId(socket));
      socket.on('error', () => {});
      socket.pipe(socket);
    });
    cleanUp.push(() => server.close());
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return { address: `127.0.0.1:${(server.address() as AddressInfo).port}`, seen };
  }

  test('T-16: our server and a Go client know each other by ID', async () => {
    const { address, seen } = await nodeServer(GO_ID);
    const results = await go.run('dial', goSocket, address, NODE_ID);
    assert.deepEqual(results, [{ peer: NODE_ID, line: 'hello\n' }]);
    assert.deepEqual(seen, [GO_ID]);
  });

  test('a Go client refuses our server when it expects another', async () => {
    const { address } = await nodeServer(GO_ID);
    const [found] = await go.run('dial', goSocket, address, STRANGER_ID);
    assert.match(String(found?.['error']), /unexpected ID "spiffe:\/\/example\.org\/node"/);
  });

  test('our server refuses a Go client that is not the one it expects', async () => {
    const { address, seen } = await nodeServer(STRANGER_ID);
    const [found] = await go.run('dial', goSocket, address, NODE_ID);
    assert.equal(typeof found?.['error'], 'string');
    assert.deepEqual(seen, []);
  });

  test('WA-03: a watcher follows three rotations without an error between', async () => {
    const results = await go.run('watch', goSocket, '4');
    assert.equal(results.length, 4);
    for (const { id, verify, expired } of results) {
      assert.deepEqual({ id, verify, expired }, { id: GO_ID, verify: '', expired: false });
    }
    assert.equal(new Set(results.map(({ serial }) => serial)).size, 4);
  });
});
