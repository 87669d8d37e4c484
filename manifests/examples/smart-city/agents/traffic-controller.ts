// Sets the traffic lights. Every agent of the city may ask how traffic is; only the dispatcher may ask
// for a green wave. Who asks is what its certificate says, nothing else.
//
//   SPIFFE_ENDPOINT_SOCKET=unix:///… node traffic-controller.ts

import type { IncomingMessage, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { TLSSocket } from 'node:tls';
import {
  createHttpsServer,
  memberOf,
  peerSpiffeId,
  trustDomainOf,
  X509Source,
} from '@signet/client';

const source = new X509Source();
await source.ready();
const me = source.svid.spiffeId;
const dispatcher = me.replace(/[^/]+$/, 'emergency-dispatcher');

const server = createHttpsServer({ source, authorize: memberOf(trustDomainOf(me)) }, answer);
server.listen(0, '127.0.0.1', () => {
  say(`I am ${me}`);
  say(`listening on ${(server.address() as AddressInfo).port}`);
});

function answer(request: IncomingMessage, response: ServerResponse): void {
  const socket = request.socket as TLSSocket;
  const peer = peerSpiffeId(socket);
  const certificate = socket.getPeerX509Certificate()?.serialNumber.slice(0, 8) ?? '';
  const isAllowed = request.url === '/traffic' || peer === dispatcher;
  response.writeHead(isAllowed ? 200 : 403, { 'content-type': 'application/json' });
  response.end(JSON.stringify({ isAllowed, peer, certificate }));
}

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}
