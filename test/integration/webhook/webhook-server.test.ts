// The webhook over real TLS: what a peer can take of it.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect as connectTcp } from 'node:net';
import { suite, test } from 'node:test';
import { Latest } from '../../../src/base/latest.ts';
import type { TlsCertificate } from '../../../src/transport/http/https-server.ts';
import { MUTATE_PODS_PATH } from '../../../src/webhook/server/admission-paths.ts';
import { MAX_REVIEW_BYTES } from '../../../src/webhook/webhook-server.ts';
import { HOST, open, post, REVIEW, readAll, start, useServers } from './webhook-harness.ts';

useServers();

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
