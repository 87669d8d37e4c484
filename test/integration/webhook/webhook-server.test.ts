// The webhook over real TLS: what a peer can take of it, and that its certificate changes under it.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { request } from 'node:https';
import { connect as connectTcp } from 'node:net';
import { afterEach, suite, test } from 'node:test';
import { type ConnectionOptions, connect, type TLSSocket } from 'node:tls';
import { Latest } from '../../../src/base/latest.ts';
import { silentLogger } from '../../../src/base/log.ts';
import { formatPemCertificate } from '../../../src/spiffe/pem.ts';
import type { TlsCertificate } from '../../../src/transport/http/https-server.ts';
import { MUTATE_PODS_PATH } from '../../../src/webhook/server/admission-paths.ts';
import {
  createWebhookServer,
  MAX_REVIEW_BYTES,
  type WebhookServer,
  type WebhookServerOptions,
} from '../../../src/webhook/webhook-server.ts';
import { TestCa } from '../../fakes/test-ca.ts';
import { makeContext, makeReview, podRequest } from '../../unit/webhook/server/review-fixtures.ts';

const HOST = '127.0.0.1';
const SERVER_NAME = 'signet-webhook.signet-system.svc';
const REVIEW = JSON.stringify(makeReview(podRequest));

const ca = new TestCa('example.org');
const authorities = formatPemCertificate(ca.certificate);

function issue(dnsName = SERVER_NAME, from = ca): TlsCertificate {
  const { chain, privateKey } = from.svid('/signet/webhook', { dnsNames: [dnsName] });
  return {
    cert: chain.map(formatPemCertificate).join(''),
    key: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
  };
}

const running: WebhookServer[] = [];
afterEach(async () => {
  await Promise.all(running.splice(0).map(async (server) => await server.close()));
});

type Running = {
  readonly server: WebhookServer;
  readonly port: number;
  readonly certificate: Latest<TlsCertificate>;
};

async function start(options: Partial<WebhookServerOptions> = {}): Promise<Running> {
  const { settings, admission, namespaces } = makeContext();
  const certificate = new Latest<TlsCertificate>();
  certificate.set(issue());
  const server = createWebhookServer({
    settings,
    admission,
    namespaces,
    certificate,
    address: { port: 0, host: HOST },
    log: silentLogger,
    ...options,
  });
  running.push(server);
  await server.start();
  const { port } = server;
  if (port === undefined) throw new Error('no port');
  return { server, port, certificate };
}

/** A TLS connection after its handshake. */
async function open(port: number, options: ConnectionOptions = {}): Promise<TLSSocket> {
  const socket = connect({
    host: HOST,
    port,
    ca: authorities,
    servername: SERVER_NAME,
    ...options,
  });
  await once(socket, 'secureConnect');
  return socket;
}

/** Everything a peer says until it closes; empty when it just resets. */
async function readAll(socket: TLSSocket): Promise<string> {
  const chunks: Buffer[] = [];
  socket.on('data', (chunk: Buffer) => chunks.push(chunk));
  socket.on('error', () => {});
  await new Promise<void>((resolve) => socket.once('close', () => resolve()));
  return Buffer.concat(chunks).toString();
}

type Posted = { readonly status: number; readonly body: string };

async function post(port: number, body: string | Buffer, options: ConnectionOptions = {}) {
  return await new Promise<Posted>((resolve, reject) => {
    const sent = request({
      host: HOST,
      port,
      method: 'POST',
      path: MUTATE_PODS_PATH,
      ca: authorities,
      servername: SERVER_NAME,
      headers: { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) },
      agent: false,
      ...options,
    });
    sent.on('error', reject);
    sent.on('response', (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('error', reject);
      response.on('end', () => {
        resolve({ status: response.statusCode ?? 0, body: Buffer.concat(chunks).toString() });
      });
    });
    sent.end(body);
  });
}

const rawPost = (body: string) =>
  `POST ${MUTATE_PODS_PATH} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n` +
  `Content-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`;

suite('requests', () => {
  test('a review is answered, and counted', async () => {
    const { server, port } = await start();
    const { status, body } = await post(port, REVIEW);
    assert.equal(status, 200);
    assert.match(body, /"patchType":"JSONPatch"/);
    assert.deepEqual(server.counts(), [{ path: MUTATE_PODS_PATH, outcome: 'patched', count: 1 }]);
  });

  test('a body over the cap is a 413, one at the cap is read', async () => {
    const { port } = await start();
    // Written in full before the answer is read: the server must not hang on the rest.
    assert.equal((await post(port, Buffer.alloc(MAX_REVIEW_BYTES, 0x20))).status, 400);
    const socket = await open(port);
    const answer = readAll(socket);
    socket.write(
      `POST ${MUTATE_PODS_PATH} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n` +
        `Content-Length: ${MAX_REVIEW_BYTES + 1}\r\n\r\n`,
    );
    const chunk = await Promise.race([once(socket, 'data'), answer]);
    assert.match(String(chunk), /^HTTP\/1\.1 413 /);
    socket.destroy();
  });

  test('a chunked body over the cap is a 413', async () => {
    const { port } = await start({ limits: { maxBodyBytes: 64 } });
    const socket = await open(port);
    const answer = readAll(socket);
    socket.write(
      `POST ${MUTATE_PODS_PATH} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n` +
        `Transfer-Encoding: chunked\r\n\r\n80\r\n${'x'.repeat(0x80)}\r\n`,
    );
    assert.match(String(await Promise.race([once(socket, 'data'), answer])), /^HTTP\/1\.1 413 /);
    socket.destroy();
  });

  test('headers over the cap are a 431', async () => {
    const { port } = await start();
    const socket = await open(port);
    const answer = readAll(socket);
    socket.write(`GET / HTTP/1.1\r\nHost: x\r\nA: ${'x'.repeat(9000)}\r\n\r\n`);
    assert.match(await answer, /^HTTP\/1\.1 431 /);
  });

  test('what is no HTTP is a 400 that says nothing', async () => {
    const { port } = await start();
    const socket = await open(port);
    const answer = readAll(socket);
    socket.write('nonsense\r\n\r\n');
    assert.equal(
      await answer,
      'HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n',
    );
  });
});

suite('slow peers', () => {
  const limits = { headersTimeoutMs: 200, requestTimeoutMs: 400, handshakeTimeoutMs: 200 };

  test('headers that do not end are cut off', async () => {
    const { port } = await start({ limits });
    const socket = await open(port);
    socket.write('POST / HTTP/1.1\r\nHost: x\r\nA: b');
    assert.match(await readAll(socket), /^HTTP\/1\.1 408 /);
  });

  test('a body that does not end is cut off', async () => {
    const { port } = await start({ limits });
    const socket = await open(port);
    socket.write(
      `POST ${MUTATE_PODS_PATH} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n` +
        'Content-Length: 10\r\n\r\n{',
    );
    assert.match(await readAll(socket), /^HTTP\/1\.1 408 /);
  });

  test('a connection that never asks, and one that never begins a handshake, are closed', async () => {
    const { port } = await start({ limits });
    const silent = await open(port);
    const bare = connectTcp({ host: HOST, port });
    bare.on('error', () => {});
    await Promise.all([readAll(silent), once(bare, 'close')]);
  });
});

suite('many connections', () => {
  for (const [name, limits] of [
    ['in all', { maxConnections: 2 }],
    ['of one address', { maxPerAddress: 2 }],
  ] as const) {
    test(`those over the cap ${name} are closed, and places become free again`, async () => {
      const { port } = await start({ limits });
      const first = await open(port);
      const second = await open(port);
      await assert.rejects(post(port, REVIEW));
      first.destroy();
      second.destroy();
      // The server learns of the closing a moment later.
      for (let attempt = 0; attempt < 100; attempt += 1) {
        const answer = await post(port, REVIEW).catch(() => undefined);
        if (answer?.status === 200) return;
      }
      assert.fail('no place became free');
    });
  }
});

suite('TLS', () => {
  test('nothing below version 1.2', async () => {
    const { port } = await start();
    const old = { maxVersion: 'TLSv1.1', minVersion: 'TLSv1', ciphers: 'ALL@SECLEVEL=0' } as const;
    await assert.rejects(open(port, old));
    const socket = await open(port, { maxVersion: 'TLSv1.2' });
    assert.equal(socket.getProtocol(), 'TLSv1.2');
    socket.destroy();
  });

  test('no cipher without forward secrecy', async () => {
    const { port } = await start();
    const ciphers = 'AES128-GCM-SHA256:AES256-SHA:ECDHE-ECDSA-AES128-SHA';
    await assert.rejects(open(port, { maxVersion: 'TLSv1.2', ciphers }));
  });

  for (const version of ['TLSv1.2', 'TLSv1.3'] as const) {
    test(`${version}: a session is never resumed`, async () => {
      const { port } = await start();
      const bound = { minVersion: version, maxVersion: version };
      const first = await open(port, bound);
      // In version 1.2 the session is there with the handshake, in 1.3 it comes when it likes.
      const sessions: (Buffer | undefined)[] = [first.getSession()];
      first.on('session', (session: Buffer) => sessions.push(session));
      const answered = readAll(first);
      first.write(rawPost(REVIEW).replace('Host: x', 'Host: x\r\nConnection: close'));
      assert.match(await answered, /^HTTP\/1\.1 200 /);
      const kept = sessions.filter((each) => each !== undefined);
      assert.ok(kept.length > 0, 'there was a session to resume');
      for (const session of kept) {
        const second = await open(port, { ...bound, session });
        assert.equal(second.isSessionReused(), false);
        second.destroy();
      }
    });
  }

  test('a new certificate is taken up without a pause, and open connections stay', async () => {
    const { port, certificate } = await start();
    const held = await open(port);
    const before = held.getPeerX509Certificate()?.fingerprint256;
    certificate.set(issue());
    const after = await open(port);
    assert.notEqual(after.getPeerX509Certificate()?.fingerprint256, before);
    after.destroy();
    held.write(rawPost(REVIEW));
    const [chunk] = (await once(held, 'data')) as [Buffer];
    assert.match(chunk.toString(), /^HTTP\/1\.1 200 /);
    held.destroy();
  });

  test('a certificate that cannot be used leaves the last one, and the next good one counts', async () => {
    const { port, certificate } = await start();
    const { cert } = issue();
    certificate.set({ cert, key: issue().key });
    assert.equal((await post(port, REVIEW)).status, 200);
    certificate.set({ cert: 'no certificate', key: 'no key' });
    assert.equal((await post(port, REVIEW)).status, 200);
    const other = new TestCa('example.org');
    certificate.set(issue(SERVER_NAME, other));
    await assert.rejects(post(port, REVIEW));
    const trusted = { ca: formatPemCertificate(other.certificate) };
    assert.equal((await post(port, REVIEW, trusted)).status, 200);
  });

  test('a client certificate is demanded where authorities for one are given', async () => {
    const clients = new TestCa('example.org');
    const { port, certificate } = await start({
      clientAuthorities: formatPemCertificate(clients.certificate),
    });
    // Also after a new certificate, which brings a new context.
    certificate.set(issue());
    const own = issue('api-server', clients);
    assert.equal((await post(port, REVIEW, own)).status, 200);
    await assert.rejects(post(port, REVIEW));
    await assert.rejects(post(port, REVIEW, issue('api-server')));
  });
});

suite('start and close', () => {
  test('there must be a certificate', async () => {
    const server = start({ certificate: new Latest<TlsCertificate>() });
    await assert.rejects(server, { code: 'unavailable', message: 'no serving certificate yet' });
  });

  test('a port that is taken is an error', async () => {
    const { port } = await start();
    await assert.rejects(start({ address: { port, host: HOST } }), { code: 'unavailable' });
  });

  test('closing ends idle connections and frees the port', async () => {
    const { server, port } = await start();
    const idle = await open(port);
    const ended = readAll(idle);
    await server.close();
    await ended;
    await assert.rejects(post(port, REVIEW));
    await server.close();
    await start({ address: { port, host: HOST } });
  });
});
