// Mutual TLS on plain connections, with peers known by their SPIFFE ID.

import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { connect } from 'node:tls';
import {
  connectTls,
  createTlsServer,
  exactly,
  liveTlsOptions,
  memberOf,
  oneOf,
  peerSpiffeId,
  tlsClientOptions,
  X509Source,
} from '@signet/client';

const source = new X509Source();
await source.ready();

const server = createTlsServer({ source, authorize: memberOf('example.org') }, (socket) => {
  socket.end(`hello ${peerSpiffeId(socket)}`);
});
server.listen(0, '127.0.0.1');
await once(server, 'listening');
const { port } = server.address() as AddressInfo;
const to = { host: '127.0.0.1', port };

// A connection that was proven before anything was sent.
const authorize = exactly('spiffe://example.org/client');
const socket = await connectTls({ source, authorize, to });
console.log(String((await once(socket, 'data'))[0]));

// For a `tls.connect` of one's own: options anew for each connection.
const eitherOf = oneOf(['spiffe://example.org/client', 'spiffe://example.org/other']);
const own = connect({ ...tlsClientOptions({ source, authorize: eitherOf }), ...to });
console.log(String((await once(own, 'data'))[0]));

// What a database client does with the one object that it keeps: it reads it for each connection.
const ssl = liveTlsOptions({ source, authorize });
const { secureContext, rejectUnauthorized, checkServerIdentity } = ssl;
const pooled = connect({ secureContext, rejectUnauthorized, checkServerIdentity, ...to });
console.log(String((await once(pooled, 'data'))[0]));

try {
  await connectTls({ source, authorize: exactly('spiffe://example.org/db'), to });
} catch (thrown) {
  console.log(String(thrown));
}
server.close();
source.close();

// → hello spiffe://example.org/client
// → hello spiffe://example.org/client
// → hello spiffe://example.org/client
// → CodedError: TLS peer refused: peer is spiffe://example.org/client
