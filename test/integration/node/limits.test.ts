// What one pod can make the plugin hold: connections, streams, and answers that nobody reads.

import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import {
  type ClientHttp2Session,
  type ClientHttp2Stream,
  connect as connectHttp2,
} from 'node:http2';
import { connect, type Socket } from 'node:net';
import { afterEach, beforeEach, test } from 'node:test';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { podMessage } from '../../fakes/fake-issuer.ts';
import { TestAuthority } from '../../fakes/test-authority.ts';
import { Messages, NOW, NodeHarness, until } from './node-harness.ts';

let node: NodeHarness;
const sessions: ClientHttp2Session[] = [];
const sockets: Socket[] = [];
beforeEach(async () => {
  node = await NodeHarness.start();
});
afterEach(async () => {
  for (const session of sessions.splice(0)) session.destroy();
  for (const socket of sockets.splice(0)) socket.destroy();
  await node.stop();
});

async function publishedPod() {
  const uid = randomUUID();
  node.issuer.pushPod(podMessage(uid, ['/a']));
  return await node.publish({ uid });
}

/** A client that opens streams and reads nothing: its window is shut. */
async function stalledSession(path: string): Promise<ClientHttp2Session> {
  const session = connectHttp2('http://localhost', {
    createConnection: () => connect(path),
    settings: { initialWindowSize: 0 },
  });
  sessions.push(session);
  await once(session, 'remoteSettings');
  return session;
}

function openStream(session: ClientHttp2Session): ClientHttp2Stream {
  const stream = session.request({
    ':method': 'POST',
    ':path': '/SpiffeWorkloadAPI/FetchX509SVID',
    'content-type': 'application/grpc',
    te: 'trailers',
    'workload.spiffe.io': 'true',
  });
  stream.on('error', () => {});
  stream.end(Buffer.alloc(5));
  return stream;
}

test('a socket takes 16 connections; a further one is closed, one that ends makes room', async () => {
  const { request } = await publishedPod();
  const path = node.socketOf(request);
  for (let index = 0; index < 16; index += 1) await stalledSession(path);
  const further = connect(path);
  sockets.push(further);
  await once(further.resume(), 'close');
  const [first] = sessions.splice(0, 1);
  first?.destroy();
  let served = false;
  await until(
    () => served,
    async () => {
      const session = connectHttp2('http://localhost', { createConnection: () => connect(path) });
      sessions.push(session);
      session.on('error', () => {});
      await Promise.race([once(session, 'remoteSettings'), once(session, 'close')]);
      served = !session.destroyed;
    },
  );
});

test('connections of one pod are not those of another', async () => {
  const [one, other] = [await publishedPod(), await publishedPod()];
  const path = node.socketOf(one.request);
  for (let index = 0; index < 16; index += 1) await stalledSession(path);
  await new Messages(other.workload.fetchX509SVID({}, node.call)).next();
});

test('a connection takes 64 streams', async () => {
  const { request } = await publishedPod();
  const session = await stalledSession(node.socketOf(request));
  assert.equal(session.remoteSettings.maxConcurrentStreams, 64);
});

test('connections that say nothing do not hold up the end', async () => {
  const { request } = await publishedPod();
  const silent = connect(node.socketOf(request));
  sockets.push(silent);
  await once(silent, 'connect');
  await node.stopFirst();
});

test('a request over 64 KiB is refused', async () => {
  const { workload } = await publishedPod();
  const svid = 'x'.repeat(70_000);
  await assert.rejects(workload.validateJWTSVID({ audience: 'db', svid }, node.call), {
    code: 'resource-exhausted',
  });
});

test('WA-42: a thousand streams that read nothing hold the newest state only', async () => {
  const pods = [await publishedPod(), await publishedPod(), await publishedPod()];
  const extra = await Promise.all(
    Array.from({ length: 9 }, async () => (await TestAuthority.create('example.org', NOW)).root),
  );
  const { authority } = node.issuer;
  const roots = [authority.root, ...extra];
  let streams = 0;
  for (const { request } of pods) {
    const path = node.socketOf(request);
    for (let index = 0; index < 6; index += 1) {
      const session = await stalledSession(path);
      const opened = Array.from({ length: 60 }, () => openStream(session));
      streams += opened.length;
      await Promise.all(opened.map(async (stream) => await once(stream, 'response')));
    }
  }
  assert.ok(streams >= 1000);
  const turn = async (sequence: bigint) => {
    const at = Number(sequence) % roots.length;
    const x509Authorities = [...roots.slice(at), ...roots.slice(0, at)];
    node.issuer.push({
      case: 'bundles',
      value: { own: { ...authority.bundle, sequence, x509Authorities } },
    });
    await until(() =>
      node.issuer.reports.some(
        ({ report }) =>
          report.case === 'acknowledged' &&
          report.value.podUid === '' &&
          report.value.version === sequence,
      ),
    );
  };
  for (let sequence = 2n; sequence < 12n; sequence += 1n) await turn(sequence);
  const before = heldBytes();
  // Kept for each stream, these would be a gigabyte.
  for (let sequence = 12n; sequence < 212n; sequence += 1n) await turn(sequence);
  const grown = heldBytes() - before;
  assert.ok(grown < 16 * 1024 * 1024, `grown by ${grown} bytes`);
  // A reader that reads sees the newest state at once.
  const [{ workload }] = pods as [(typeof pods)[number]];
  const { svids } = await new Messages(workload.fetchX509SVID({}, node.call)).next();
  const newest = Buffer.concat([...roots.slice(1), ...roots.slice(0, 1)]);
  assert.deepEqual(Buffer.from(svids[0]?.bundle ?? []), newest);
});

function heldBytes(): number {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  collect();
  const { heapUsed, arrayBuffers, external } = process.memoryUsage();
  return heapUsed + Math.max(arrayBuffers, external);
}
