// What ends connections that are open: the own identity withdrawn, the peer's certificate revoked, the
// peer's authority gone; by whatever way they were made. And what does not.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect as connectTcp, type Server } from 'node:net';
import { afterEach, beforeEach, test } from 'node:test';
import { connect, type TLSSocket } from 'node:tls';
import {
  connectTls,
  createTlsServer,
  exactly,
  liveTlsOptions,
  memberOf,
} from '../../../client/src/index.ts';
import { CodedError } from '../../../src/base/errors.ts';
import { x509Answer } from '../../fakes/fake-workload-api.ts';
import { TestCa, type TestSvid } from '../../fakes/test-ca.ts';
import { crlOf } from '../../fakes/test-crl.ts';
import { held, portOf, settles } from './ended.ts';
import { CLIENT_ID, SERVER_ID, startTwoAgents } from './two-agents.ts';

const MANY = 100;
const NONE = new Uint8Array();

let agents: Awaited<ReturnType<typeof startTwoAgents>>;
let server: Server;
let accepted: TLSSocket[];
/** Of either side: what it presents in this test. */
let ours: { client: TestSvid; server: TestSvid };

beforeEach(async () => {
  agents = await startTwoAgents();
  ours = { client: agents.ca.svid('/client'), server: agents.ca.svid('/server') };
  await Promise.all([say('client'), say('server')]);
  accepted = [];
  const check = { source: agents.server.source, authorize: memberOf('example.org') };
  server = createTlsServer(check, (socket) => accepted.push(socket.on('error', () => {})));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
});
afterEach(async () => {
  for (const socket of accepted) socket.destroy();
  server.close();
  await agents.stop();
});

type More = { readonly crl?: readonly Uint8Array[]; readonly others?: readonly TestSvid[] };

/** The Workload API of a side says its SVID again, and more; resolves when the source has it. */
async function say(side: 'client' | 'server', { crl = [], others = [] }: More = {}): Promise<void> {
  const { api, source } = agents[side];
  const before = held(() => source.revoked);
  const svids = [ours[side], ...others];
  api.x509Svids.set({ ...x509Answer(agents.ca, svids), crl: [...crl] });
  await settles(
    () =>
      source.svids.length === svids.length &&
      isSame(source.svid, ours[side]) &&
      (crl.length === 0 || source.revoked !== before),
  );
}

type Chain = Pick<TestSvid, 'chain'>;

function isSame({ chain: [a = NONE] }: Chain, { chain: [b = NONE] }: Chain): boolean {
  return Buffer.compare(a, b) === 0;
}

async function dial(): Promise<TLSSocket> {
  const to = { host: '127.0.0.1', port: portOf(server) };
  const check = { source: agents.client.source, authorize: exactly(SERVER_ID) };
  const socket = await connectTls({ ...check, to });
  return socket.on('error', () => {});
}

async function dialMany(count: number): Promise<readonly TLSSocket[]> {
  const dialed: TLSSocket[] = [];
  for (let at = 0; at < count; at += 1) dialed.push(await dial());
  await settles(() => accepted.length === count);
  return dialed;
}

const sizes = () => [agents.client.source.connections.size, agents.server.source.connections.size];
const areOpen = (sockets: readonly TLSSocket[]) => sockets.every(({ destroyed }) => !destroyed);
const areEnded = (sockets: readonly TLSSocket[]) => sockets.every(({ destroyed }) => destroyed);

test('a withdrawn identity ends all of its connections, as client and as server', async () => {
  for (const side of ['client', 'server'] as const) {
    const dialed = await dialMany(MANY);
    assert.deepEqual(sizes(), [MANY, MANY]);
    agents[side].api.x509Svids.set(new CodedError('permission-denied', 'Suspended'));
    await settles(() => areEnded(dialed) && areEnded(accepted), `${side} withdrawn`);
    assert.deepEqual(sizes(), [0, 0]);
    accepted = [];
    await say(side);
  }
});

test('a revoked peer loses its connections, and gets no new one; others keep theirs', async () => {
  const dialed = await dialMany(3);
  ours.client = agents.ca.svid('/client');
  await say('client');
  const kept = await dial();
  await settles(() => accepted.length === 4);
  const before = ours.client;
  const [first] = accepted;
  const revoked = { spiffeId: CLIENT_ID, privateKey: before.privateKey };
  const chain = [first?.getPeerCertificate().raw ?? NONE];
  await say('server', { crl: [crlOf(agents.ca, [{ ...revoked, chain }])] });
  await settles(() => areEnded(dialed) && areEnded(accepted.slice(0, 3)), 'revoked');
  assert.ok(areOpen([kept]) && areOpen(accepted.slice(3)));
  assert.deepEqual(sizes(), [1, 1]);
  await say('server', { crl: [crlOf(agents.ca, [before])] });
  await settles(() => areEnded([kept]), 'the other one, with the next list');
  const refused = once(server, 'tlsClientError');
  const late = await dial();
  const [error] = await refused;
  assert.match(String(error), /certificate: revoked/);
  await once(late, 'close');
  assert.deepEqual(sizes(), [0, 0]);
});

test('a revoked server loses its connections, and its clients talk to it no more', async () => {
  const dialed = await dialMany(2);
  await say('client', { crl: [crlOf(agents.ca, [ours.server])] });
  await settles(() => areEnded(dialed), 'revoked');
  await assert.rejects(dial(), { code: 'unauthenticated', message: /certificate: revoked/ });
  // Renewed, it is another certificate.
  ours.server = agents.ca.svid('/server');
  await say('server');
  assert.ok(areOpen([await dial()]));
});

test('a report that fails costs the others nothing: every connection that has to end does', async () => {
  const many = await dialMany(3);
  const before = ours.client;
  ours.client = agents.ca.svid('/client');
  await say('client');
  const later = await dial();
  let told = 0;
  agents.server.report = () => {
    told += 1;
    throw new Error('nobody to tell');
  };
  await say('server', { crl: [crlOf(agents.ca, [before])] });
  await settles(() => areEnded(many), 'all of the first list');
  await say('server', { crl: [crlOf(agents.ca, [before, ours.client])] });
  await settles(() => areEnded([later]), 'those of the next list');
  assert.equal(told, 4);
  // Nor the stream: what comes after an end of it is heard.
  await agents.server.api.kill();
  await agents.server.api.start();
  await settles(() => told > 4, 'the end of the stream');
  await say('server');
});

test('a list of another authority of the same name and serial numbers says nothing', async () => {
  const dialed = await dialMany(1);
  const other = new TestCa('example.org');
  await say('client', { crl: [crlOf(other, [ours.server]), Buffer.from('no list')] });
  await agents.client.rotate();
  assert.ok(areOpen(dialed));
});

test('a peer whose authority leaves the bundle loses its connections; a new authority costs none', async () => {
  const dialed = await dialMany(2);
  const next = new TestCa('example.org');
  const svid = next.svid('/client');
  const sayWith = (...authorities: readonly TestCa[]) => {
    const certificate = Buffer.concat(authorities.map((each) => each.certificate));
    agents.client.api.x509Svids.set(x509Answer({ certificate }, [svid]));
  };
  sayWith(agents.ca, next);
  await settles(() => isSame(agents.client.source.svid, svid));
  assert.ok(areOpen(dialed));
  sayWith(next);
  await settles(() => areEnded(dialed), 'its root is gone');
});

test('behind an intermediate, a revoked leaf and a root that leaves end connections all the same', async () => {
  const intermediate = agents.ca.intermediate();
  const { source, api } = agents.server;
  for (const end of ['revoked', 'root'] as const) {
    ours.client = intermediate.svid('/client');
    await say('client');
    const dialed = await dialMany(1);
    if (end === 'revoked') await say('server', { crl: [crlOf(intermediate, [ours.client])] });
    else api.x509Svids.set(x509Answer(new TestCa('example.org'), [ours.server]));
    await settles(() => areEnded(dialed) && source.connections.size === 0, end);
    accepted = [];
  }
});

test('of two identities, the one that goes takes its own connections alone', async () => {
  const other = agents.ca.svid('/other');
  await say('client', { others: [other] });
  const dialed = await dialMany(1);
  ours.client = other;
  await say('client');
  await settles(() => areEnded(dialed), 'made as /client');
  assert.ok(areOpen([await dial()]));
});

test('renewal, an end of the certificate, and a server that went away cut nothing', async () => {
  ours.server = agents.ca.svid('/server', { notAfter: new Date(Date.now() + 3000) });
  await say('server');
  const dialed = await dialMany(1);
  await agents.client.rotate();
  await new Promise((resolve) => setTimeout(resolve, 3500));
  await agents.client.rotate();
  await agents.client.api.kill();
  await agents.client.api.start();
  await agents.client.rotate();
  assert.ok(areOpen(dialed));
});

test('a connection that a pool makes over its own socket is ended with it', async () => {
  const raw = connectTcp(portOf(server), '127.0.0.1');
  const check = { source: agents.client.source, authorize: exactly(SERVER_ID) };
  const socket = connect({ ...Object.assign({}, liveTlsOptions(check)), socket: raw });
  socket.on('error', () => {});
  await once(socket, 'secureConnect');
  assert.equal(agents.client.source.connections.size, 1);
  agents.client.api.x509Svids.set(new CodedError('permission-denied', 'Suspended'));
  await settles(() => raw.destroyed && socket.destroyed, 'withdrawn');
});

test('connections that are over are forgotten, however many there were', async () => {
  for (let round = 0; round < 5; round += 1) {
    const dialed = await dialMany(20);
    for (const socket of dialed) socket.destroy();
    await settles(() => sizes().every((size) => size === 0));
    accepted = [];
  }
  const dialed = await dialMany(1);
  agents.client.source.close();
  await agents.client.api.stop();
  assert.ok(areOpen(dialed), 'a source that was closed ends nothing');
  dialed[0]?.destroy();
  await settles(() => sizes().every((size) => size === 0));
  await agents.client.api.start();
});
