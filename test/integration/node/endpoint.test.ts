// The Workload Endpoint as a plain HTTP/2 client meets it: no TLS, no credential, no address but a
// socket's place.

import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { linkSync, mkdirSync, readdirSync, readFileSync, readlinkSync, statSync } from 'node:fs';
import { connect as connectHttp2, type IncomingHttpHeaders } from 'node:http2';
import { connect, createServer } from 'node:net';
import { join } from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import { Issuer } from '../../../src/transport/gen/signet/issuer_pb.ts';
import { podMessage } from '../../fakes/fake-issuer.ts';
import { during, Messages, NodeHarness } from './node-harness.ts';

const OK = 0;
const INVALID_ARGUMENT = 3;
const PERMISSION_DENIED = 7;
const UNIMPLEMENTED = 12;
const UNAVAILABLE = 14;

let node: NodeHarness;
beforeEach(async () => {
  node = await NodeHarness.start();
});
afterEach(async () => await node.stop());

async function pod(paths: readonly string[]) {
  const uid = randomUUID();
  node.issuer.pushPod(podMessage(uid, paths));
  return { uid, ...(await node.publish({ uid })) };
}

type Answer = {
  readonly headers: IncomingHttpHeaders;
  readonly status: number;
  readonly bytes: number;
};

/** One call with an empty message, to its first bytes or its end. */
async function call(
  socket: string,
  path: string,
  headers: Readonly<Record<string, string>> = { 'workload.spiffe.io': 'true' },
): Promise<Answer> {
  const session = connectHttp2('http://localhost', { createConnection: () => connect(socket) });
  const stream = session.request({
    ':method': 'POST',
    ':path': path,
    'content-type': 'application/grpc',
    te: 'trailers',
    ...headers,
  });
  let bytes = 0;
  let status = Number.NaN;
  let answered: IncomingHttpHeaders = {};
  const noted = (received: IncomingHttpHeaders) => {
    if (received['grpc-status'] !== undefined) status = Number(received['grpc-status']);
  };
  const ended = new Promise<void>((resolve) => {
    stream.on('error', () => resolve());
    stream.on('close', () => resolve());
    stream.on('response', (received) => {
      answered = received;
      noted(received);
    });
    stream.on('trailers', noted);
    stream.on('data', (chunk: Buffer) => {
      bytes += chunk.length;
      // Of a stream that stays open, one message is enough.
      status = OK;
      resolve();
    });
  });
  stream.end(Buffer.alloc(5));
  await ended;
  session.destroy();
  return { headers: answered, status, bytes };
}

test('WE-01, WE-04, WE-05: the endpoint is a Unix socket; nothing listens on a network', async () => {
  const { request } = await pod(['/a']);
  assert.ok(statSync(node.socketOf(request)).isSocket());
  const own = ownSockets();
  const inodes = (table: string, column: number) =>
    readFileSync(`/proc/self/net/${table}`, 'utf8')
      .split('\n')
      .map((line) => line.trim().split(/\s+/)[column] ?? '');
  assert.ok(inodes('unix', 6).some((inode) => own.has(inode)));
  for (const table of ['tcp', 'tcp6', 'udp', 'udp6']) {
    assert.deepEqual(
      inodes(table, 9).filter((inode) => own.has(inode)),
      [],
      table,
    );
  }
});

/** Inodes of this process's sockets. */
function ownSockets(): ReadonlySet<string> {
  const targets = readdirSync('/proc/self/fd').map((fd) => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`);
    } catch {
      return ''; // The one that listed them.
    }
  });
  return new Set(targets.map((target) => /^socket:\[(\d+)\]$/.exec(target)?.[1] ?? 'none'));
}

test('WE-03, WE-08, WE-13: gRPC in plain text, to whoever connects, with no credential', async () => {
  const { request } = await pod(['/a']);
  const { headers, bytes } = await call(node.socketOf(request), '/SpiffeWorkloadAPI/FetchX509SVID');
  assert.equal(headers[':status'], 200);
  assert.match(String(headers['content-type']), /^application\/grpc/);
  assert.ok(bytes > 500);
});

test('WE-02, WE-14, WE-15: who one is follows from the socket alone', async () => {
  const [one, other] = [await pod(['/one']), await pod(['/other'])];
  for (const [{ workload }, id] of [
    [one, 'spiffe://example.org/one'],
    [other, 'spiffe://example.org/other'],
  ] as const) {
    const { svids } = await new Messages(workload.fetchX509SVID({}, node.call)).next();
    assert.deepEqual(
      svids.map(({ spiffeId }) => spiffeId),
      [id],
    );
  }
});

test('WE-20, WA-01, ID-20: every socket has both profiles; no other document is made', async () => {
  for (const { workload } of [await pod(['/a']), await pod(['/b'])]) {
    assert.ok(
      (await new Messages(workload.fetchX509SVID({}, node.call)).next()).svids.length === 1,
    );
    await new Messages(workload.fetchX509Bundles({}, node.call)).next();
    await new Messages(workload.fetchJWTBundles({}, node.call)).next();
    const [svid] = (await workload.fetchJWTSVID({ audience: ['db'] }, node.call)).svids;
    const validated = workload.validateJWTSVID(
      { audience: 'db', svid: svid?.svid ?? '' },
      node.call,
    );
    await assert.doesNotReject(validated);
  }
  const signing = Issuer.methods.map(({ name }) => name).filter((name) => name.startsWith('Sign'));
  assert.deepEqual(signing.toSorted(), ['SignJwtSvids', 'SignX509Svids']);
});

test('WE-17, WE-23: the codes of a missing header, no identity, not known yet, and no such profile', async () => {
  const served = node.socketOf((await pod(['/a'])).request);
  const denied = node.socketOf((await pod([])).request);
  const second = async () => await node.clock.advance(1000);
  const { request } = await during(node.publish({ uid: randomUUID() }), second);
  const early = node.socketOf(request);
  const streams = ['FetchX509SVID', 'FetchX509Bundles', 'FetchJWTBundles'];
  for (const name of streams) {
    const path = `/SpiffeWorkloadAPI/${name}`;
    assert.equal((await call(served, path)).status, OK, name);
    assert.equal((await call(served, path, {})).status, INVALID_ARGUMENT, name);
    assert.equal((await call(denied, path)).status, PERMISSION_DENIED, name);
    assert.equal((await during(call(early, path), second)).status, UNAVAILABLE, name);
  }
  for (const name of ['FetchWITSVID', 'FetchWITBundles']) {
    assert.equal((await call(served, `/SpiffeWorkloadAPI/${name}`)).status, UNIMPLEMENTED, name);
  }
});

test('WA-16: where there is no SVID, no message is sent', async () => {
  const { request } = await pod([]);
  const answer = await call(node.socketOf(request), '/SpiffeWorkloadAPI/FetchX509SVID');
  assert.equal(answer.status, PERMISSION_DENIED);
  assert.equal(answer.bytes, 0);
});

test('PF-14, WE-23: an unknown method is Unimplemented, with the header and without', async () => {
  const { request } = await pod(['/a']);
  const socket = node.socketOf(request);
  for (const path of ['/SpiffeWorkloadAPI/FetchNothing', '/other.Service/Method', '/', '/a/b/c']) {
    assert.equal((await call(socket, path)).status, UNIMPLEMENTED, path);
    assert.equal((await call(socket, path, {})).status, UNIMPLEMENTED, path);
  }
});

test('PF-03: an end that heals is Unavailable, whatever ends: the plugin, or the time to wait', async () => {
  const { workload } = await pod(['/a']);
  const streams = [
    new Messages<unknown>(workload.fetchX509SVID({}, node.call)),
    new Messages<unknown>(workload.fetchX509Bundles({}, node.call)),
    new Messages<unknown>(workload.fetchJWTBundles({}, node.call)),
  ];
  for (const stream of streams) await stream.next();
  const ends = streams.map(async (stream) => {
    await assert.rejects(stream.next(), { code: 'unavailable' });
  });
  await node.stopFirst();
  await Promise.all(ends);
});

test('WE-27: a socket that a killed process left behind is replaced', async () => {
  const uid = randomUUID();
  node.issuer.pushPod(podMessage(uid, ['/a']));
  const request = node.kubelet.request({ uid });
  mkdirSync(request.targetPath, { recursive: true });
  const short = join(node.kubelet.root, 'dead.sock');
  const dead = createServer().listen(short);
  await once(dead, 'listening');
  // The second name stays when the first goes with its listener.
  linkSync(short, join(request.targetPath, 'spire-agent.sock'));
  dead.close();
  await once(dead, 'close');
  const refused = connect(node.socketOf(request));
  const [problem] = (await once(refused, 'error')) as [NodeJS.ErrnoException];
  assert.equal(problem.code, 'ECONNREFUSED');
  await node.kubelet.node.nodePublishVolume(request);
  const answer = await call(node.socketOf(request), '/SpiffeWorkloadAPI/FetchX509SVID');
  assert.ok(answer.bytes > 500);
});
