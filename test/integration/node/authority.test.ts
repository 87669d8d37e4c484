// What clients of Unix sockets send as `:authority`, pods' and the kubelet: nothing of it says who they are.

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
  rows: string,
  fields: (socket: string) => readonly (readonly [string, string])[],
])[] = [
  ['localhost', 'WE-25', () => [[':authority', 'localhost']]],
  ['the path of the socket', 'WE-25, PF-12', (socket) => [[':authority', socket]]],
  [
    'the path, percent-encoded',
    'WE-25, PF-13',
    (socket) => [[':authority', encodeURIComponent(socket)]],
  ],
  ['the whole target', 'WE-25', (socket) => [[':authority', `unix://${socket}`]]],
  ['an empty one', 'WE-25', () => [[':authority', '']]],
  ['none', 'WE-25', () => []],
  ['a Host header in its place', 'WE-25', () => [['host', 'localhost']]],
];
for (const [name, rows, fields] of AUTHORITIES) {
  test(`${rows}: ${name} is accepted`, async () => {
    const uid = randomUUID();
    node.issuer.pushPod(podMessage(uid, ['/a']));
    const path = node.socketOf((await node.publish({ uid })).request);
    const answer = await call(path, '/SpiffeWorkloadAPI/FetchX509SVID', [
      ...fields(path),
      ['workload.spiffe.io', 'true'],
    ]);
    assert.ok(answer.includes('spiffe://example.org/a'));
  });

  test(`RG-10: ${name} is accepted from a kubelet`, async () => {
    const path = node.kubelet.csiSocket;
    const answer = await call(path, '/csi.v1.Node/NodeGetInfo', fields(path));
    assert.ok(answer.includes('node-1'));
  });
}

/** The first message of an answer to an empty message. */
async function call(
  path: string,
  method: string,
  fields: readonly (readonly [string, string])[],
): Promise<Buffer> {
  const socket = connect({ path, allowHalfOpen: true });
  await once(socket, 'connect');
  const client = new RawClient(socket);
  clients.push(client);
  const head = encodeHeaders([
    [':method', 'POST'],
    [':scheme', 'http'],
    [':path', method],
    ...fields.filter(([field]) => field.startsWith(':')),
    ['content-type', 'application/grpc'],
    ['te', 'trailers'],
    ...fields.filter(([field]) => !field.startsWith(':')),
  ]);
  client.send(
    PREFACE,
    frame(FRAME.SETTINGS),
    frame(FRAME.HEADERS, { flags: FLAG.END_HEADERS, streamId: 1, payload: head }),
    frame(FRAME.DATA, { flags: FLAG.END_STREAM, streamId: 1, payload: Buffer.alloc(5) }),
  );
  return (await client.next(FRAME.DATA, 1)).payload;
}
