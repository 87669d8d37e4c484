// A source of one's own for TLS: whatever has an SVID and bundles can be one. This one takes another
// source's, and knows of no revocation lists.

import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import {
  connectTls,
  createTlsServer,
  exactly,
  LiveConnections,
  NOTHING_REVOKED,
  RevokedCertificates,
  type TlsSource,
  X509Source,
} from '@signet/client';

const source = new X509Source();
await source.ready();

const own: TlsSource = {
  clock: source.clock,
  get svid() {
    return source.svid;
  },
  revoked: NOTHING_REVOKED,
  connections: new LiveConnections((signal) => source.changes(signal)),
  bundleOf: (trustDomain) => source.bundleOf(trustDomain),
  changes: (signal) => source.changes(signal),
};
console.log(own.revoked instanceof RevokedCertificates);

const authorize = exactly('spiffe://example.org/client');
const server = createTlsServer({ source: own, authorize }, (socket) => socket.resume());
server.listen(0, '127.0.0.1');
await once(server, 'listening');
const { port } = server.address() as AddressInfo;
const socket = await connectTls({ source: own, authorize, to: { host: '127.0.0.1', port } });
console.log(`it looks after open connections: ${own.connections.size > 0}`);

socket.destroy();
server.close();
source.close();

// → true
// → it looks after open connections: true
