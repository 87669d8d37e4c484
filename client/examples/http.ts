// HTTP in its versions, and gRPC, between workloads.

import { once } from 'node:events';
import { get } from 'node:https';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { Client } from '@grpc/grpc-js';
import {
  connectHttp2,
  createHttp2Server,
  createHttpsServer,
  exactly,
  grpcCredentials,
  httpsAgent,
  peerSpiffeId,
  tlsFetch,
  X509Source,
} from '@signet/client';

const source = new X509Source();
await source.ready();
const check = { source, authorize: exactly('spiffe://example.org/client') };

const server = createHttpsServer(check, (request, response) => {
  response.end(`${request.url} for ${peerSpiffeId(request.socket)}`);
});
server.listen(0, '127.0.0.1');
await once(server, 'listening');
const { port } = server.address() as AddressInfo;

const fetch = tlsFetch(check);
const fetched = await fetch(`https://localhost:${port}/fetch`);
console.log(await fetched.text());

const agent = httpsAgent(check);
const [answer] = await once(get({ agent, host: 'localhost', port, path: '/https' }), 'response');
console.log(await text(answer));

const second = createHttp2Server(check, (request, response) => {
  const { 'content-type': type = 'nothing' } = request.headers;
  if (type === 'application/grpc') {
    // The shortest answer that there is in gRPC: a status.
    response.stream.respond(
      { ':status': 200, 'content-type': type, 'grpc-status': '0', 'grpc-message': 'hello' },
      { endStream: true },
    );
  } else response.end(`${request.url} over ${request.httpVersion}`);
});
second.listen(0, '127.0.0.1');
await once(second, 'listening');
const { port: secondPort } = second.address() as AddressInfo;

const session = await connectHttp2({ ...check, to: { host: 'localhost', port: secondPort } });
console.log(await text(session.request({ ':path': '/http2' })));

const client = new Client(`dns:///localhost:${secondPort}`, grpcCredentials(check));
const bytes = (value: Buffer) => value;
const status = await new Promise<{ details: string }>((resolve) => {
  const call = client.makeServerStreamRequest('/a.B/C', bytes, bytes, Buffer.alloc(0));
  call
    .on('status', resolve)
    .on('error', () => {})
    .resume();
});
console.log(status.details);

client.close();
session.close();
agent.destroy();
for (const one of [server, second]) one.close();
server.closeAllConnections();
source.close();

// → /fetch for spiffe://example.org/client
// → /https for spiffe://example.org/client
// → /http2 over 2.0
// → hello
