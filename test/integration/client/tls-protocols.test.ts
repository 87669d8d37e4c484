// fetch, HTTP/2 and gRPC between two workloads: each connection by the SVIDs of its moment, and nothing
// sent to a peer that was not expected.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { Http2SecureServer } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, test } from 'node:test';
import type { TLSSocket } from 'node:tls';
import { ChannelCredentials, Client, type ServiceError } from '@grpc/grpc-js';
import {
  connectHttp2,
  createHttp2Server,
  exactly,
  grpcCredentials,
  peerSpiffeId,
  tlsFetch,
  undiciConnector,
} from '../../../client/src/index.ts';
import { CLIENT_ID, SERVER_ID, startTwoAgents } from './two-agents.ts';

let agents: Awaited<ReturnType<typeof startTwoAgents>>;
let server: Http2SecureServer;
let port: number;
/** Protocol, peer and certificate of each request that reached the application. */
let seen: { readonly version: string; readonly peer: string; readonly serial: string }[];

beforeEach(async () => {
  agents = await startTwoAgents();
  seen = [];
  const check = { source: agents.server.source, authorize: exactly(CLIENT_ID) };
  server = createHttp2Server(check, (request, response) => {
    const { serialNumber } = (request.socket as TLSSocket).getPeerCertificate();
    const peer = peerSpiffeId(request.socket);
    seen.push({ version: request.httpVersion, peer, serial: serialNumber });
    const parts: Buffer[] = [];
    request.on('data', (part: Buffer) => parts.push(part));
    request.once('end', () => {
      if (request.headers['content-type'] === 'application/grpc') {
        response.writeHead(200, { 'content-type': 'application/grpc' });
        response.addTrailers({ 'grpc-status': '0' });
      } else if (request.url === '/moved') {
        response.writeHead(302, { location: 'https://elsewhere.example.org/' });
      } else if (request.url === '/odd') {
        response.writeHead(999);
      } else {
        response.setHeader('x-length', request.headers['content-length'] ?? 'none');
      }
      response.end(Buffer.concat(parts));
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  port = (server.address() as AddressInfo).port;
});

afterEach(async () => {
  server.close();
  await agents.stop();
});

const expects = (id: string) => ({ source: agents.client.source, authorize: exactly(id) });

test('fetch: a Response from the peer that was expected, bodies both ways', async () => {
  const fetch = tlsFetch(expects(SERVER_ID));
  const url = `https://127.0.0.1:${port}/`;
  const posted = await fetch(url, { method: 'POST', body: 'hello' });
  assert.deepEqual([posted.status, await posted.text()], [200, 'hello']);
  assert.equal(posted.headers.get('x-length'), '5');
  const body = new ReadableStream({
    start(controller) {
      controller.enqueue(new TextEncoder().encode('in parts'));
      controller.close();
    },
  });
  const streamed = await fetch(url, { method: 'PUT', body, duplex: 'half' } as RequestInit);
  assert.deepEqual([streamed.headers.get('x-length'), await streamed.text()], ['none', 'in parts']);
  const head = await fetch(url, { method: 'HEAD' });
  assert.equal(await head.text(), '');
  assert.deepEqual(
    new Set(seen.map(({ version, peer }) => `${version} ${peer}`)),
    new Set([`1.1 ${CLIENT_ID}`]),
  );
});

test('fetch: redirects come back as they are, an impossible status is an error, and so is http', async () => {
  const fetch = tlsFetch(expects(SERVER_ID));
  const base = `https://127.0.0.1:${port}`;
  const moved = await fetch(`${base}/moved`);
  assert.deepEqual(
    [moved.status, moved.headers.get('location')],
    [302, 'https://elsewhere.example.org/'],
  );
  await moved.text();
  await assert.rejects(fetch(`${base}/moved`, { redirect: 'error' }), {
    code: 'failed-precondition',
  });
  await assert.rejects(fetch(`${base}/odd`), { code: 'unavailable' });
  await assert.rejects(fetch(`http://127.0.0.1:${port}/`), { code: 'invalid-argument' });
  await assert.rejects(
    fetch(base, { signal: AbortSignal.abort(new Error('given up')) }),
    /given up/,
  );
});

test('fetch: a peer with another ID gets nothing', async () => {
  const fetch = tlsFetch(expects('spiffe://example.org/other'));
  await assert.rejects(fetch(`https://127.0.0.1:${port}/`, { method: 'POST', body: 'secret' }), {
    code: 'permission-denied',
  });
  assert.deepEqual(seen, []);
});

test('HTTP/2: a session with the peer, and the next one has the rotated certificate', async () => {
  const to = { host: '127.0.0.1', port };
  for (const round of [1, 2]) {
    const session = await connectHttp2({ ...expects(SERVER_ID), to });
    const stream = session.request({ ':method': 'POST', ':path': '/' });
    stream.end(`round ${round}`);
    let text = '';
    for await (const part of stream) text += String(part);
    assert.equal(text, `round ${round}`);
    session.close();
    await agents.client.rotate();
  }
  assert.deepEqual(
    seen.map(({ version, peer }) => [version, peer]),
    [
      ['2.0', CLIENT_ID],
      ['2.0', CLIENT_ID],
    ],
  );
  assert.notEqual(seen[0]?.serial, seen[1]?.serial);
  const other = { ...expects('spiffe://example.org/other'), to };
  await assert.rejects(connectHttp2(other), { code: 'permission-denied' });
});

test('gRPC: one channel, whose connections follow the source', async () => {
  const client = new Client(`127.0.0.1:${port}`, grpcCredentials(expects(SERVER_ID)));
  assert.equal(await unary(client), 'ping');
  // The connection ends, as it does sooner or later; the channel makes another.
  await agents.client.rotate();
  const sessions = new Promise((resolve) => server.once('session', resolve));
  for (const close of closers) close();
  assert.equal(await unary(client), 'ping');
  await sessions;
  assert.deepEqual(
    seen.map(({ peer }) => peer),
    [CLIENT_ID, CLIENT_ID],
  );
  assert.notEqual(seen[0]?.serial, seen[1]?.serial);
  client.close();
});

test('gRPC: a peer with another ID gets no call; channels are told apart by their authorizers', async () => {
  const good = grpcCredentials(expects(SERVER_ID));
  const client = new Client(`127.0.0.1:${port}`, good);
  assert.equal(await unary(client), 'ping');
  const credentials = grpcCredentials(expects('spiffe://example.org/other'), ChannelCredentials);
  const other = new Client(`127.0.0.1:${port}`, credentials);
  await assert.rejects(unary(other), {
    code: 14,
    details: /peer is spiffe:\/\/example.org\/server/,
  });
  assert.equal(seen.length, 1);
  client.close();
  other.close();
});

test('undici: a connector that gives verified sockets or an error, and refuses plain http', async () => {
  const target = { hostname: '127.0.0.1', port: String(port), protocol: 'https:' };
  const connected = async (id: string, to = target) =>
    await new Promise<Error | string>((resolve) => {
      undiciConnector(expects(id))(to, (error, socket) => {
        resolve(error ?? peerSpiffeId(socket ?? {}));
        socket?.destroy();
      });
    });
  assert.equal(await connected(SERVER_ID), SERVER_ID);
  assert.match(String(await connected('spiffe://example.org/other')), /peer is/);
  assert.match(String(await connected(SERVER_ID, { ...target, protocol: 'http:' })), /https/);
});

const closers = new Set<() => void>();
beforeEach(() => {
  closers.clear();
  server.on('session', (session) => closers.add(() => session.close()));
});

async function unary(client: Client): Promise<string> {
  const identity = (bytes: Buffer) => bytes;
  return await new Promise((resolve, reject) => {
    client.makeUnaryRequest(
      '/test.Echo/Say',
      identity,
      identity,
      Buffer.from('ping'),
      { deadline: Date.now() + 10_000 } as never,
      (error: ServiceError | null, answer?: Buffer) => {
        if (error === null) resolve(String(answer));
        else reject(error);
      },
    );
  });
}
