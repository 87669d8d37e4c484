// The same end for every way to make a connection, and for every kind of server: what is under way fails,
// and nothing of it takes the process along.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { request } from 'node:https';
import type { Server } from 'node:net';
import { afterEach, beforeEach, test } from 'node:test';
import { Client, type ServiceError } from '@grpc/grpc-js';
import {
  connectHttp2,
  createHttp2Server,
  createHttpsServer,
  exactly,
  grpcCredentials,
  httpsAgent,
  tlsFetch,
  undiciConnector,
} from '../../../client/src/index.ts';
import { CodedError } from '../../../src/base/errors.ts';
import { x509Answer } from '../../fakes/fake-workload-api.ts';
import { crlOf } from '../../fakes/test-crl.ts';
import { portOf, settles } from './ended.ts';
import { CLIENT_ID, SERVER_ID, startTwoAgents } from './two-agents.ts';

let agents: Awaited<ReturnType<typeof startTwoAgents>>;
let servers: Server[];
let clients: { close(): void }[];
/** Requests that reached a server; none of them is ever answered. */
let waiting: number;
beforeEach(async () => {
  agents = await startTwoAgents();
  waiting = 0;
  servers = [];
  clients = [];
});
afterEach(async () => {
  for (const client of clients) client.close();
  for (const server of servers) server.close();
  await agents.stop();
});

const wait = () => {
  waiting += 1;
};
const kinds = {
  https: () => createHttpsServer(serving(), wait),
  http2: () => createHttp2Server(serving(), wait),
};
const serving = () => ({ source: agents.server.source, authorize: exactly(CLIENT_ID) });
const asking = () => ({ source: agents.client.source, authorize: exactly(SERVER_ID) });

async function listen(kind: keyof typeof kinds): Promise<number> {
  const server = kinds[kind]();
  servers.push(server);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return portOf(server);
}

/** Each asks something that is never answered, and resolves with how it failed. */
const ways: Readonly<
  Record<
    string,
    { readonly on: keyof typeof kinds; readonly ask: (port: number) => Promise<unknown> }
  >
> = {
  httpsAgent: {
    on: 'https',
    ask: async (port) =>
      await new Promise((resolve) => {
        const agent = httpsAgent(asking(), { keepAlive: true });
        request({ host: '127.0.0.1', port, agent }).once('error', resolve).end();
      }),
  },
  tlsFetch: {
    on: 'https',
    ask: async (port) =>
      await tlsFetch(asking())(`https://127.0.0.1:${port}/`).catch((error: unknown) => error),
  },
  undiciConnector: {
    on: 'https',
    ask: async (port) =>
      await new Promise((resolve) => {
        const to = { hostname: '127.0.0.1', port: String(port), protocol: 'https:' };
        undiciConnector(asking())(to, (_error, socket) => {
          socket?.write('GET / HTTP/1.1\r\nhost: localhost\r\n\r\n');
          socket?.once('close', () => resolve(new Error('closed')));
        });
      }),
  },
  connectHttp2: {
    on: 'http2',
    ask: async (port) => {
      const session = await connectHttp2({ ...asking(), to: { host: '127.0.0.1', port } });
      const stream = session.request({ ':path': '/' });
      return await new Promise((resolve) => {
        stream.once('error', () => {});
        session.once('close', () => resolve(new Error('closed')));
      });
    },
  },
  grpcCredentials: {
    on: 'http2',
    ask: async (port) =>
      await new Promise<ServiceError | null>((resolve) => {
        const client = new Client(`127.0.0.1:${port}`, grpcCredentials(asking()));
        clients.push(client);
        const same = (bytes: Buffer) => bytes;
        client.makeUnaryRequest('/test.Echo/Say', same, same, Buffer.of(1), resolve);
      }),
  },
};

const ends: Readonly<Record<string, () => void>> = {
  'the own identity is withdrawn': () => {
    agents.client.api.x509Svids.set(new CodedError('permission-denied', 'Suspended'));
  },
  'the client finds the server revoked': () => {
    const { svid } = agents.server.source;
    const answer = x509Answer(agents.ca, [agents.client.source.svid]);
    agents.client.api.x509Svids.set({ ...answer, crl: [crlOf(agents.ca, [svid])] });
  },
  'the server finds the client revoked': () => {
    const { svid } = agents.client.source;
    const answer = x509Answer(agents.ca, [agents.server.source.svid]);
    agents.server.api.x509Svids.set({ ...answer, crl: [crlOf(agents.ca, [svid])] });
  },
};

for (const [what, end] of Object.entries(ends)) {
  test(`${what}: what is under way fails, over every protocol`, async () => {
    const asked: Promise<unknown>[] = [];
    for (const { on, ask } of Object.values(ways)) asked.push(ask(await listen(on)));
    await settles(() => waiting === asked.length);
    const { connections } = agents.client.source;
    const served = agents.server.source.connections;
    assert.deepEqual([connections.size, served.size], [asked.length, asked.length]);
    end();
    for (const failure of await Promise.all(asked)) assert.ok(failure instanceof Error);
    await settles(() => connections.size === 0 && served.size === 0, what);
  });
}
