// What clients of Unix sockets send as `:authority`: nothing of it says who they are.

import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { connect } from 'node:net';
import { afterEach, beforeEach, test } from 'node:test';
import { encodeHeaders } from '../../../src/transport/workload/hpack/hpack-encoder.ts';
import { FLAG, FRAME, PREFACE } from '../../../src/transport/workload/http2/protocol.ts';
import { podMessage } from '../../fakes/fake-issuer.ts';
import { frame, RawClient } from '../transport/workload/h2-harness.ts';
import { NodeHarness } from './node-harness.ts';

let node: NodeHarness;
const clients: RawClient[] = [];
beforeEach(async () => {
  node = await NodeHarness.start();
});
afterEach(async () => {
  for (const client of clients.splice(0)) client.destroy();
  await node.stop();
});

const AUTHORITIES: readonly (readonly [
  name: string,
  fields: (socket: string) => readonly (readonly [string, string])[],
])[] = [
  ['WE-25: localhost', () => [[':authority', 'localhost']]],
  ['WE-25, PF-12: the path of the socket', (socket) => [[':authority', socket]]],
  [
    'WE-25, PF-13: the path, percent-encoded',
    (socket) => [[':authority', encodeURIComponent(socket)]],
  ],
  ['WE-25: the whole target', (socket) => [[':authority', `unix://${socket}`]]],
  ['WE-25: an empty one', () => [[':authority', '']]],
  ['WE-25: none', () => []],
  ['WE-25: a Host header in its place', () => [['host', 'localhost']]],
];
for (const [name, fields] of AUTHORITIES) {
  test(`${name} is accepted`, async () => {
    const uid = randomUUID();
    node.issuer.pushPod(podMessage(uid, ['/a']));
    const path = node.socketOf((await node.publish({ uid })).request);
    const socket = connect({ path, allowHalfOpen: true });
    await once(socket, 'connect');
    const client = new RawClient(socket);
    clients.push(client);
    const head = encodeHeaders([
      [':method', 'POST'],
      [':scheme', 'http'],
      [':path', '/SpiffeWorkloadAPI/FetchX509SVID'],
      ...fields(path).filter(([field]) => field.startsWith(':')),
      ['content-type', 'application/grpc'],
      ['te', 'trailers'],
      ['workload.spiffe.io', 'true'],
      ...fields(path).filter(([field]) => !field.startsWith(':')),
    ]);
    client.send(
      PREFACE,
      frame(FRAME.SETTINGS),
      frame(FRAME.HEADERS, { flags: FLAG.END_HEADERS, streamId: 1, payload: head }),
      frame(FRAME.DATA, { flags: FLAG.END_STREAM, streamId: 1, payload: Buffer.alloc(5) }),
    );
    const { payload } = await client.next(FRAME.DATA, 1);
    assert.ok(payload.includes('spiffe://example.org/a'));
  });
}
