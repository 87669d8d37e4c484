// Callers that show a JWT-SVID: in requests, and anywhere else.

import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import {
  BundleSource,
  JwtGuard,
  JwtSource,
  jwtSvidOf,
  memberOf,
  verifyJwtSvid,
} from '@signet/client';

const source = new BundleSource({ profiles: ['jwt'] });
await source.ready();
const check = { source, audience: 'reports', authorize: memberOf('example.org') };

const guard = new JwtGuard(check);
const server = createServer((request, response) => {
  if (guard.admit(request, response) === undefined) return;
  response.end(`hello ${jwtSvidOf(request).spiffeId}`);
});
server.listen(0, '127.0.0.1');
await once(server, 'listening');
const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;

const tokens = new JwtSource();
const { token } = await tokens.fetch({ audience: 'reports' });
const answer = await fetch(url, { headers: { authorization: `Bearer ${token}` } });
console.log(await answer.text());
console.log(`without a token: ${(await fetch(url)).status}`);

console.log(`a message of ${verifyJwtSvid(token, check).spiffeId}`);

server.close();
server.closeAllConnections();
tokens.close();
source.close();

// → hello spiffe://example.org/client
// → without a token: 401
// → a message of spiffe://example.org/client
