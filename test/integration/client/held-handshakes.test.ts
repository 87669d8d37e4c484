// Handshakes during which things change, as with a client that holds its last flight back: OpenSSL presents
// and verifies by what there was at their beginning, and the outcome must be that of now.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, createServer, type Server } from 'node:net';
import { afterEach, beforeEach, test } from 'node:test';
import { connect as connectOver, type TLSSocket } from 'node:tls';
import {
  connectTls,
  createTlsServer,
  exactly,
  liveTlsOptions,
  memberOf,
  tlsClientOptions,
} from '../../../client/src/index.ts';
import { CodedError } from '../../../src/base/errors.ts';
import { x509Answer } from '../../fakes/fake-workload-api.ts';
import { TestCa, type TestSvid } from '../../fakes/test-ca.ts';
import { portOf, settles } from './ended.ts';
import { SERVER_ID, startTwoAgents } from './two-agents.ts';

let agents: Awaited<ReturnType<typeof startTwoAgents>>;
let server: Server;
let proxy: HoldingProxy;
/** It stands behind the server all the time; `agents.ca` stands behind the client, and may leave. */
let next: TestCa;
let served: TestSvid;
let outcomes: (TLSSocket | CodedError)[];

beforeEach(async () => {
  agents = await startTwoAgents();
  next = new TestCa('example.org');
  served = next.svid('/server');
  outcomes = [];
  await say('server', served, [agents.ca, next]);
  const check = { source: agents.server.source, authorize: memberOf('example.org') };
  const tlsServer = createTlsServer(check, (socket) => {
    outcomes.push(socket.on('error', () => {}));
  });
  tlsServer.on('tlsClientError', (error) => outcomes.push(CodedError.from(error)));
  server = tlsServer.listen(0, '127.0.0.1');
  await once(server, 'listening');
  proxy = await HoldingProxy.start(portOf(server));
});
afterEach(async () => {
  for (const each of outcomes) if (!(each instanceof CodedError)) each.destroy();
  proxy.stop();
  server.close();
  await agents.stop();
});

type Side = 'client' | 'server';

async function say(side: Side, svid: TestSvid, authorities: readonly TestCa[]): Promise<void> {
  const { api, source } = agents[side];
  const certificate = Buffer.concat(authorities.map((each) => each.certificate));
  const { bundles } = source;
  api.x509Svids.set(x509Answer({ certificate }, [svid]));
  await settles(() => source.bundles !== bundles);
}

/** A client behind an intermediate begins; `change` happens before its last flight arrives. */
async function hold(change: () => Promise<void>): Promise<TLSSocket | CodedError> {
  const intermediate = agents.ca.intermediate();
  await say('client', intermediate.svid('/client'), [agents.ca, next]);
  const before = outcomes.length;
  const dialing = connectTls({
    source: agents.client.source,
    authorize: exactly(SERVER_ID),
    to: { host: '127.0.0.1', port: portOf(proxy.listener) },
  }).then(
    (socket) => socket.on('error', () => {}),
    () => undefined,
  );
  await settles(() => proxy.isHolding, 'the last flight is there');
  await change();
  proxy.release();
  await settles(() => outcomes.length > before, 'an outcome');
  const outcome = outcomes.at(-1) ?? assert.fail();
  if (outcome instanceof CodedError) (await dialing)?.destroy();
  return outcome;
}

const open = () => agents.server.source.connections.size;

test('an authority that leaves during a handshake takes the peer behind it along', async () => {
  const outcome = await hold(async () => await say('server', served, [next]));
  assert.ok(outcome instanceof CodedError, 'it was admitted');
  assert.equal(outcome.code, 'unauthenticated');
  assert.equal(open(), 0);
});

test('an authority that comes during a handshake costs nothing; the first one leaves later', async () => {
  const third = new TestCa('example.org');
  const outcome = await hold(async () => await say('server', served, [third, next, agents.ca]));
  assert.ok(!(outcome instanceof CodedError), 'it was refused');
  assert.equal(open(), 1);
  await say('server', served, [third, next]);
  await settles(() => outcome.destroyed, 'its root is gone');
  assert.equal(open(), 0);
});

test('an identity that is withdrawn during a handshake is not the one that the connection counts for', async () => {
  const other = next.svid('/other');
  const first = await hold(async () => await say('server', other, [agents.ca, next]));
  await settles(() => first instanceof CodedError || first.destroyed, 'it was made as /server');
  assert.equal(open(), 0);
});

test('options from before an identity was withdrawn make no connection that outlives it', async () => {
  for (const make of [liveTlsOptions, tlsClientOptions]) {
    await say('client', agents.ca.svid('/client'), [agents.ca, next]);
    const check = { source: agents.client.source, authorize: exactly(SERVER_ID) };
    const options = Object.assign({}, make(check));
    await say('client', agents.ca.svid('/other'), [agents.ca, next]);
    const port = portOf(server);
    const kept = await connectTls({ ...check, to: { host: '127.0.0.1', port } });
    kept.on('error', () => {});
    const raw = connect(port, '127.0.0.1');
    const socket = connectOver({ ...options, socket: raw }).on('error', () => {});
    await settles(() => raw.destroyed && socket.destroyed, 'it presented /client');
    assert.equal(kept.destroyed, false);
    kept.destroy();
  }
});

/** Passes everything on but what the client says after the server's first words, until `release`. */
class HoldingProxy {
  readonly listener: Server;
  readonly #port: number;
  #held: Buffer[] = [];
  #isReleased = false;
  #pass: (bytes: Buffer) => void = () => {};
  readonly #ends: (() => void)[] = [];

  private constructor(port: number) {
    this.#port = port;
    this.listener = createServer((client) => {
      const upstream = connect(this.#port, '127.0.0.1');
      let hasAnswered = false;
      this.#pass = (bytes) => upstream.write(bytes);
      upstream.on('data', (bytes) => {
        hasAnswered = true;
        client.write(bytes);
      });
      client.on('data', (bytes) => {
        if (!hasAnswered || this.#isReleased) this.#pass(bytes);
        else this.#held.push(bytes);
      });
      const end = () => {
        client.destroy();
        upstream.destroy();
      };
      for (const each of [client, upstream]) each.on('error', end).on('close', end);
      this.#ends.push(end);
    });
  }

  static async start(port: number): Promise<HoldingProxy> {
    const proxy = new HoldingProxy(port);
    proxy.listener.listen(0, '127.0.0.1');
    await once(proxy.listener, 'listening');
    return proxy;
  }

  get isHolding(): boolean {
    return this.#held.length > 0;
  }

  release(): void {
    this.#isReleased = true;
    for (const bytes of this.#held.splice(0)) this.#pass(bytes);
  }

  stop(): void {
    for (const end of this.#ends) end();
    this.listener.close();
  }
}
