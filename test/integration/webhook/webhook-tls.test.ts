// TLS of the webhook, and that its certificate changes under it.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { suite, test } from 'node:test';
import { formatPemCertificate } from '../../../src/spiffe/pem.ts';
import { MUTATE_PODS_PATH } from '../../../src/webhook/server/admission-paths.ts';
import { TestCa } from '../../fakes/test-ca.ts';
import {
  issue,
  open,
  post,
  REVIEW,
  readAll,
  SERVER_NAME,
  start,
  useServers,
} from './webhook-harness.ts';

useServers();

const rawPost = (body: string) =>
  `POST ${MUTATE_PODS_PATH} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n` +
  `Content-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`;

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
