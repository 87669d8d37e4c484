import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtemp, rm, stat } from 'node:fs/promises';
import { connect as connectPlain, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import { type ConnectionOptions, connect, type TLSSocket } from 'node:tls';
import { Latest } from '../../../src/base/latest.ts';
import { silentLogger } from '../../../src/base/log.ts';
import { AuthorityKeeper } from '../../../src/issuer/authority/authority-keeper.ts';
import {
  AuthorityView,
  type SigningAuthorities,
} from '../../../src/issuer/authority/signing-authorities.ts';
import { IssuerListener } from '../../../src/issuer/issuer-listener.ts';
import { formatPemCertificate } from '../../../src/spiffe/pem.ts';
import { FakeClock } from '../../fakes/fake-clock.ts';
import { MemoryAuditLog, TRUST_DOMAIN } from '../../unit/issuer/fixtures.ts';
import { MemoryStore } from '../../unit/issuer/memory-store.ts';

let directory: string;
let path: string;
let store: MemoryStore;
let clock: FakeClock;
let authorities: Latest<SigningAuthorities>;
let listener: IssuerListener;

async function look(): Promise<SigningAuthorities> {
  const common = { store, clock, audit: new MemoryAuditLog(), log: silentLogger };
  await new AuthorityKeeper({
    trustDomain: TRUST_DOMAIN,
    jwtKeyType: 'ec-p256',
    ...common,
  }).settle();
  const view = new AuthorityView({ trustDomain: TRUST_DOMAIN, store });
  await view.refresh();
  return view.current.value ?? assert.fail();
}

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'signet-tls-'));
  path = join(directory, 's');
  store = new MemoryStore();
  // Real handshakes check dates against the real time.
  clock = new FakeClock(Date.now());
  authorities = new Latest();
  authorities.set(await look());
  listener = new IssuerListener({
    address: { path },
    authorities,
    accept: () => {},
    log: silentLogger,
    maxConnections: 3,
  });
});

afterEach(async () => {
  await listener.close();
  await rm(directory, { recursive: true });
});

async function handshake(options: ConnectionOptions = {}): Promise<TLSSocket> {
  const { servingCa } = authorities.value?.serving ?? assert.fail();
  return await new Promise((resolve, reject) => {
    const socket = connect(
      {
        path,
        ca: servingCa.map(formatPemCertificate),
        ALPNProtocols: ['h2'],
        checkServerIdentity: () => undefined,
        ...options,
      },
      () => resolve(socket),
    );
    socket.once('error', reject);
    socket.once('close', () => reject(new Error('closed')));
  });
}

test('the socket is its owner’s alone, the protocol TLS 1.3 with h2', async () => {
  await listener.start();
  assert.equal((await stat(path)).mode & 0o777, 0o600);
  const socket = await handshake();
  assert.equal(socket.getProtocol(), 'TLSv1.3');
  assert.equal(socket.alpnProtocol, 'h2');
  socket.destroy();
});

test('TLS 1.1, and a client that trusts other authorities, get no connection', async () => {
  await listener.start();
  await assert.rejects(handshake({ minVersion: 'TLSv1.1', maxVersion: 'TLSv1.1' }));
  await assert.rejects(handshake({ ca: [] }));
  const socket = await handshake({ maxVersion: 'TLSv1.2' });
  assert.equal(socket.getProtocol(), 'TLSv1.2');
  assert.equal(socket.getSession()?.length !== undefined && socket.isSessionReused(), false);
  socket.destroy();
});

test('a TLS 1.2 session is not resumed', async () => {
  await listener.start();
  const first = await handshake({ maxVersion: 'TLSv1.2' });
  const session = first.getSession() ?? assert.fail();
  first.destroy();
  const second = await handshake({ maxVersion: 'TLSv1.2', session });
  assert.equal(second.isSessionReused(), false);
  second.destroy();
});

test('a new certificate is shown to new connections, and old ones go on', async () => {
  await listener.start();
  const stop = new AbortController();
  const running = listener.run(stop.signal);
  const before = await handshake();
  await clock.advance(16 * 86_400_000);
  const next = await look();
  assert.notDeepEqual(next.serving.chain, authorities.value?.serving.chain);
  authorities.set(next);
  let shown: Buffer | undefined;
  for (let attempt = 0; attempt < 50; attempt += 1) {
    // The renewed certificate is backdated by a day only, so not valid yet in real time.
    const after = await handshake({ rejectUnauthorized: false });
    shown = after.getPeerCertificate().raw;
    after.destroy();
    if (next.serving.chain[0] && shown.equals(next.serving.chain[0])) break;
  }
  assert.deepEqual(Buffer.from(next.serving.chain[0] ?? ''), shown);
  assert.equal(before.destroyed, false);
  before.destroy();
  stop.abort();
  await running;
});

test('connections beyond the limit are closed, whether or not they ever speak', async () => {
  await listener.start();
  const silent = [1, 2, 3].map(() => connectPlain({ path }));
  await Promise.all(
    silent.map(async (socket) => {
      await new Promise<void>((resolve) => {
        socket.once('connect', resolve);
      });
    }),
  );
  await assert.rejects(handshake());
  for (const socket of silent) socket.destroy();
});

test('one address gets so many connections, whether or not they ever speak', async () => {
  const byPort = new IssuerListener({
    address: { port: 0, host: '127.0.0.1' },
    authorities,
    accept: () => {},
    log: silentLogger,
    maxPerAddress: 3,
  });
  await byPort.start();
  const port = byPort.port ?? assert.fail('no port');
  const dial = async (): Promise<Socket> => {
    const socket = connectPlain({ port, host: '127.0.0.1' });
    socket.on('error', () => {});
    await once(socket, 'connect');
    return socket;
  };
  const handshakes = async () => {
    const socket = connect({ port, host: '127.0.0.1', rejectUnauthorized: false });
    const outcome = await new Promise<boolean>((resolve) => {
      socket.once('secureConnect', () => resolve(true));
      socket.once('error', () => resolve(false));
      socket.once('close', () => resolve(false));
    });
    socket.destroy();
    return outcome;
  };
  const silent = [await dial(), await dial(), await dial()];
  assert.equal(await handshakes(), false);
  for (const socket of silent) {
    socket.destroy();
  }
  let served = false;
  for (let attempt = 0; attempt < 100 && !served; attempt += 1) served = await handshakes();
  assert.ok(served, 'a place that is left is free again');
  await byPort.close();
});

test('without a certificate it does not listen', async () => {
  const early = new IssuerListener({
    address: { path },
    authorities: new Latest(),
    accept: () => {},
    log: silentLogger,
  });
  await assert.rejects(early.start(), { code: 'unavailable' });
});
