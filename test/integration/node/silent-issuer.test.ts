// An issuer that was replaced: its old address takes connections and says nothing, or is nobody's.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { test } from 'node:test';
import { systemClock } from '../../../src/base/clock.ts';
import { silentLogger } from '../../../src/base/log.ts';
import { IssuerClient } from '../../../src/node/issuer-client.ts';
import { NodeView } from '../../../src/node/node-view.ts';
import { parseTrustDomain } from '../../../src/spiffe/spiffe-id.ts';

const ENOUGH = 3;

test('a Watch that nobody answers is given up, and the next one begins with a new connection', async () => {
  const connections: Socket[] = [];
  const seen = Promise.withResolvers<void>();
  const silent = createServer((socket) => {
    socket.on('error', () => {});
    connections.push(socket);
    if (connections.length === ENOUGH) seen.resolve();
  });
  silent.listen(0, '127.0.0.1');
  await once(silent, 'listening');
  const { port } = silent.address() as AddressInfo;
  const stop = new AbortController();
  const log = silentLogger;
  const client = new IssuerClient({
    channel: { target: `dns:///127.0.0.1:${port}` },
    token: async () => 'token',
    view: new NodeView({
      log,
      trustDomain: parseTrustDomain('example.org'),
      onPod: () => {},
      onBundles: () => {},
      onAbsent: () => {},
      onGone: () => {},
    }),
    opening: () => [],
    clock: systemClock,
    log,
    answerWithinMs: 20,
  });
  const running = client.run(stop.signal);
  try {
    await seen.promise;
    assert.ok(connections.length >= ENOUGH);
  } finally {
    stop.abort();
    for (const socket of connections) socket.destroy();
    silent.close();
  }
  await running;
});
