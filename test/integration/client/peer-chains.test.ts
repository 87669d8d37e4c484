// Chains with authorities between leaf and root, over real handshakes in both directions: what one
// authorized trust domain accepts, and what two of them must not.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, test } from 'node:test';
import {
  type Authorizer,
  connectTls,
  createTlsServer,
  LiveConnections,
  memberOf,
  NOTHING_REVOKED,
  oneOf,
  parseSpiffeId,
  parseTrustDomain,
  peerSpiffeId,
  type TlsSource,
  type X509SourceState,
} from '../../../client/src/index.ts';
import { parseX509Bundle } from '../../../client/src/x509-bundles.ts';
import type { X509Svid } from '../../../client/src/x509-context.ts';
import { systemClock } from '../../../src/base/clock.ts';
import { allow, CodedError } from '../../../src/base/errors.ts';
import { TestCa, type TestSvid } from '../../fakes/test-ca.ts';

const LIMIT_MS = 10_000;
const CLIENT_ID = 'spiffe://example.org/client';
const SERVER_ID = 'spiffe://example.org/server';
const BOTH = oneOf([CLIENT_ID, 'spiffe://other.org/client']);

let ours: TestCa;
let other: TestCa;
let cleanUp: (() => void)[];

beforeEach(() => {
  ours = new TestCa('example.org');
  other = new TestCa('other.org');
  cleanUp = [];
});
afterEach(() => {
  for (const undo of cleanUp) undo();
});

/** A source that holds one SVID, and trusts both trust domains. */
function sourceOf({ spiffeId, chain, privateKey }: TestSvid): TlsSource {
  const notAfter = systemClock.now() + 60_000;
  const svid: X509Svid = {
    spiffeId: parseSpiffeId(spiffeId),
    hint: '',
    chain,
    privateKey,
    notAfter,
  };
  const bundles = new Map(
    [ours, other].map((ca) => [parseTrustDomain(ca.trustDomain), parseX509Bundle(ca.certificate)]),
  );
  async function* changes(): AsyncGenerator<X509SourceState> {
    yield { status: 'current', context: { svids: [svid], bundles, revoked: NOTHING_REVOKED } };
  }
  return {
    clock: systemClock,
    svid,
    bundleOf: (trustDomain) => bundles.get(trustDomain),
    revoked: NOTHING_REVOKED,
    connections: new LiveConnections(changes),
    changes,
  };
}

type Sides = { readonly client?: TestSvid; readonly server?: TestSvid; readonly by?: Authorizer };

/** Both sides' words on one connection: the other's ID, or the code that it was refused with. */
async function meet(sides: Sides): Promise<{ server: unknown; client: unknown }> {
  const { client = ours.svid('/client'), server = ours.svid('/server') } = sides;
  const said = Promise.withResolvers<unknown>();
  const authorize = sides.by ?? memberOf('example.org');
  const listener = createTlsServer({ source: sourceOf(server), authorize }, (socket) => {
    said.resolve(peerSpiffeId(socket));
    socket.on('error', () => {});
    cleanUp.push(() => socket.destroy());
  });
  listener.on('tlsClientError', (error) => {
    said.resolve(error instanceof CodedError ? error.code : 'refused by OpenSSL');
  });
  cleanUp.push(() => listener.close());
  listener.listen(0, '127.0.0.1');
  await once(listener, 'listening');
  const { port } = listener.address() as AddressInfo;
  const dialed = await connectTls({
    source: sourceOf(client),
    authorize: memberOf('example.org'),
    to: { host: '127.0.0.1', port },
    timeoutMs: LIMIT_MS,
  }).then(
    (socket) => {
      cleanUp.push(() => socket.destroy());
      socket.on('error', () => {});
      return peerSpiffeId(socket);
    },
    (error: unknown) => CodedError.from(error).code,
  );
  return { server: await said.promise, client: dialed };
}

test('both sides present chains with one and with two authorities between leaf and root', async () => {
  const one = ours.intermediate();
  const two = one.intermediate();
  for (const [client, server] of [
    [one, ours],
    [ours, one],
    [one, two],
    [two, one],
  ] as const) {
    const met = await meet({ client: client.svid('/client'), server: server.svid('/server') });
    assert.deepEqual(met, { server: CLIENT_ID, client: SERVER_ID });
  }
});

test('a chain whose authority is none, or over, or another trust domain’s is refused by both', async () => {
  const past = new Date(Date.now() - 1000);
  const forged = { uris: [CLIENT_ID] };
  const bad: readonly [string, TestCa][] = [
    ['not an authority', ours.intermediate({ ca: false })],
    ['over', ours.intermediate({ notAfter: past })],
    ['unable to sign', ours.intermediate({ keyUsage: 0x80 })],
    ['of other.org', other.intermediate()],
    ['the root of other.org', other],
  ];
  for (const [what, authority] of bad) {
    const asClient = await meet({ client: authority.svid('/client', forged) });
    assert.equal(asClient.server, 'refused by OpenSSL', what);
    const asServer = await meet({ server: authority.svid('/server', { uris: [SERVER_ID] }) });
    assert.equal(asServer.client, 'unauthenticated', what);
  }
});

test('a leaf that is no X509-SVID is refused behind an authority too', async () => {
  const one = ours.intermediate();
  for (const shape of [
    { uris: [] },
    { uris: [CLIENT_ID, SERVER_ID] },
    { uris: ['spiffe://example.org'] },
    { uris: ['spiffe://other.org/client'] },
    { keyUsage: 0x84 },
  ]) {
    const { server } = await meet({ client: one.svid('/client', shape) });
    assert.equal(server, 'unauthenticated', JSON.stringify(shape));
  }
});

test('WA-12: of two authorized trust domains, neither speaks for the other', async () => {
  const forged = { uris: [CLIENT_ID] };
  assert.equal((await meet({ by: BOTH })).server, CLIENT_ID);
  const theirs = await meet({ client: other.svid('/client'), by: BOTH });
  assert.equal(theirs.server, 'spiffe://other.org/client');
  for (const authority of [other, other.intermediate()]) {
    const met = await meet({ client: authority.svid('/client', forged), by: BOTH });
    assert.equal(met.server, 'unauthenticated');
  }
});

test('with two authorized trust domains, a chain that Node does not show is refused', async () => {
  // Where Node shows all of it there is nothing to refuse: never anything else than these two.
  const { server } = await meet({ client: ours.intermediate().svid('/client'), by: BOTH });
  assert.ok(server === 'unauthenticated' || server === CLIENT_ID, String(server));
});

test('an authorizer that names other trust domains later opens nothing', async () => {
  const [example, foreign] = [parseTrustDomain('example.org'), parseTrustDomain('other.org')];
  let asked = 0;
  const shifting: Authorizer = {
    get trustDomains() {
      asked += 1;
      return new Set(asked === 1 ? [foreign] : [example]);
    },
    authorize: () => allow(undefined),
  };
  const client = other.intermediate().svid('/client', { uris: [CLIENT_ID] });
  assert.equal((await meet({ client, by: shifting })).server, 'unauthenticated');
});
