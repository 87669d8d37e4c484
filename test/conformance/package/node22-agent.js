// An agent in plain JavaScript that has nothing but the published package: run by the oldest Node.js
// that it is for, it uses each kind of thing there is once.

import { once } from 'node:events';
import {
  BundleSource,
  connectTls,
  createHttpsServer,
  createTlsServer,
  exactly,
  JwtSource,
  memberOf,
  peerSpiffeId,
  tlsFetch,
  verifyJwtSvid,
  WorkloadApiClient,
  X509Source,
} from '@signet/client';

const source = new X509Source();
const tokens = new JwtSource();
const bundles = new BundleSource();
await Promise.all([source.ready(), bundles.ready()]);
const { spiffeId } = source.svid;
const check = { source, authorize: exactly(spiffeId) };

const server = createTlsServer(check, (socket) => socket.end(peerSpiffeId(socket)));
server.listen(0, '127.0.0.1');
await once(server, 'listening');
const { port } = server.address();
const socket = await connectTls({ ...check, to: { host: '127.0.0.1', port } });
const [told] = await once(socket, 'data');
socket.destroy();
server.close();

const web = createHttpsServer(check, (request, response) => {
  response.end(peerSpiffeId(request.socket));
});
web.listen(0, '127.0.0.1');
await once(web, 'listening');
const fetch = tlsFetch(check);
const response = await fetch(`https://127.0.0.1:${web.address().port}/`);
const fetched = await response.text();
web.close();
web.closeAllConnections();

const { token } = await tokens.fetch({ audience: 'billing' });
const authorize = memberOf('example.org');
const local = verifyJwtSvid(token, { source: bundles, audience: 'billing', authorize });
const client = new WorkloadApiClient();
const { spiffeId: byServer } = await client.validateJwtSvid(token, 'billing');

process.stdout.write(
  JSON.stringify({
    node: process.versions.node,
    spiffeId,
    told: String(told),
    fetched,
    local: local.spiffeId,
    byServer,
  }),
);
for (const one of [source, tokens, bundles, client]) one.close();
process.exit(0);
