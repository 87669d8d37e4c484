// Two workloads of one trust domain, and connections between them.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { type AddressInfo, isIP } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach } from 'node:test';
import type { Server, TLSSocket } from 'node:tls';
import {
  type Authorizer,
  connectTls,
  createTlsServer,
  exactly,
  peerSpiffeId,
  type TlsSource,
  X509Source,
} from '../../../client/src/index.ts';
import { FakeWorkloadApi, x509Answer } from '../../fakes/fake-workload-api.ts';
import { TestCa } from '../../fakes/test-ca.ts';

export const LIMIT_MS = 10_000;
export const SERVER_ID = 'spiffe://example.org/server';
export const CLIENT_ID = 'spiffe://example.org/client';

export let directory: string;
export let ca: TestCa;
export let apis: { server: FakeWorkloadApi; client: FakeWorkloadApi };
export let sources: { server: X509Source; client: X509Source };
export let cleanUp: (() => void)[];
/** What reached the application behind the server: peer, and then its bytes. */
export let seen: string[];

/** For each test a server and a client, each with a Workload API and an SVID of its own. */
export function useWorkloads(): void {
  beforeEach(async () => {
    directory = mkdtempSync(join(tmpdir(), 'signet-client-'));
    cleanUp = [];
    seen = [];
    ca = new TestCa('example.org');
    apis = {
      server: new FakeWorkloadApi(join(directory, 'server.sock')),
      client: new FakeWorkloadApi(join(directory, 'client.sock')),
    };
    apis.server.x509Svids.set(x509Answer(ca, [ca.svid('/server')]));
    apis.client.x509Svids.set(x509Answer(ca, [ca.svid('/client')]));
    await apis.server.start();
    await apis.client.start();
    sources = {
      server: new X509Source({ address: apis.server.address }),
      client: new X509Source({ address: apis.client.address }),
    };
    await sources.server.ready(AbortSignal.timeout(LIMIT_MS));
    await sources.client.ready(AbortSignal.timeout(LIMIT_MS));
  });
  afterEach(async () => {
    for (const undo of cleanUp) undo();
    sources.server.close();
    sources.client.close();
    await apis.server.stop();
    await apis.client.stop();
    rmSync(directory, { recursive: true, force: true });
  });
}

export async function serve(
  authorize: Authorizer,
  source: TlsSource = sources.server,
): Promise<Server> {
  const server = createTlsServer({ source, authorize }, (socket) => {
    seen.push(peerSpiffeId(socket));
    cleanUp.push(() => socket.destroy());
    socket.on('error', () => {});
    socket.on('data', (bytes) => {
      seen.push(bytes.toString());
      socket.write(bytes);
    });
  });
  cleanUp.push(() => server.close());
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return server;
}

export function to(server: Server): { host: string; port: number } {
  const { address, port } = server.address() as AddressInfo;
  assert.notEqual(isIP(address), 0);
  return { host: address, port };
}

export async function dial(server: Server, authorize = exactly(SERVER_ID)): Promise<TLSSocket> {
  const check = { source: sources.client, authorize };
  const socket = await connectTls({ ...check, to: to(server), timeoutMs: LIMIT_MS });
  cleanUp.push(() => socket.destroy());
  return socket;
}

export async function echo(socket: TLSSocket, text: string): Promise<string> {
  socket.write(text);
  const [bytes] = await once(socket, 'data', { signal: AbortSignal.timeout(LIMIT_MS) });
  return String(bytes);
}
