// Closing a gRPC server over connections that fall apart at that moment: it must come to an end, for
// whoever closes it holds a lock meanwhile.

import { once } from 'node:events';
import { connect, constants } from 'node:http2';
import { duplexPair } from 'node:stream';
import { test } from 'node:test';
import { GrpcServer } from '../../../src/transport/grpc/grpc-server.ts';
import { Lingering } from './lingering.ts';

test('close comes to an end when a connection does not', { timeout: 10_000 }, async () => {
  const [near, far] = duplexPair();
  const connection = new Lingering(far);
  const server = new GrpcServer({ services: [] });
  server.accept(connection);
  const client = connect('http://localhost', { createConnection: () => near });
  client.on('error', () => {});
  await once(client, 'remoteSettings');
  client.goaway(constants.NGHTTP2_INTERNAL_ERROR);
  await connection.ended.promise;
  await server.close();
  client.destroy();
});
