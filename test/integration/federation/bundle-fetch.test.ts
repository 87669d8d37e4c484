// Fetching over real HTTPS: who the endpoint must be, what it may answer.

import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { documentOf } from '../../../src/federation/federated-bundle.ts';
import { formatPemCertificate } from '../../../src/spiffe/pem.ts';
import { TestCa } from '../../fakes/test-ca.ts';
import {
  bundle,
  ca,
  endpoint,
  fetchWith,
  get,
  intermediate,
  refused,
  server,
  spiffe,
  usePeer,
  web,
} from './fetch-fixtures.ts';
import { answerWith } from './peer-server.ts';

usePeer();

test('FE-07: both profiles are understood', async () => {
  const bySpiffe = await get();
  assert.equal(bySpiffe.peer, endpoint.spiffeId);
  assert.equal(bySpiffe.bundle.sequence, 5);
  const byWeb = await get({ trust: web });
  assert.equal(byWeb.peer, 'localhost');
  assert.deepEqual(byWeb.bundle.x509Authorities, bundle.x509Authorities);
  assert.match(byWeb.digest, /^[0-9a-f]{64}$/);
  assert.equal(byWeb.address, '127.0.0.1');
});

suite('who the endpoint is', () => {
  test('FE-20: https_web is known by the host of the URL and by web authorities alone', async () => {
    await get({ trust: web, url: server.url('peer.test') });
    await refused('NotAuthenticated', { trust: web, url: server.url('dead-and-alive.test') });
    // An address needs an address in the certificate.
    await refused('NotAuthenticated', { trust: web, url: server.url('127.0.0.1') });
    await refused('NotAuthenticated', { trust: { type: 'https_web' } });
    server.show(ca.svid('/endpoint'));
    await refused('NotAuthenticated', { trust: web });
    server.show(ca.svid('/x', { dnsNames: ['localhost'], notAfter: new Date(Date.now() - 1000) }));
    await refused('NotAuthenticated', { trust: web });
    assert.equal(server.requests.length, 1, 'nothing is asked of a wrong endpoint');
  });

  test('FE-29: https_spiffe is known by exactly one SPIFFE ID, whatever its host', async () => {
    await get({ url: server.url('127.0.0.1') });
    for (const path of ['/endpoint/', '/endpoint/a', '/Endpoint', '/other']) {
      server.show(intermediate.svid(path, { dnsNames: ['localhost'] }));
      await refused('NotAuthenticated');
    }
    const other = new TestCa('other.test');
    server.show(other.svid('/endpoint'));
    await refused('NotAuthenticated');
    assert.equal(server.requests.length, 1);
  });

  test('FE-28: what is no valid X509-SVID is no https_spiffe endpoint', async () => {
    const uris = [endpoint.spiffeId];
    for (const shape of [
      { uris: [endpoint.spiffeId, 'spiffe://peer.test/two'] },
      { uris: [], dnsNames: ['localhost'] },
      { uris, notAfter: new Date(Date.now() - 1000) },
      { uris, notBefore: new Date(Date.now() + 60_000) },
      { uris, ca: true },
      { uris, extendedKeyUsage: ['clientAuth'] as const },
    ]) {
      server.show(ca.svid('/endpoint', shape));
      await refused('NotAuthenticated');
    }
    const authorities = [new TestCa('peer.test').certificate];
    server.show(endpoint);
    await refused('NotAuthenticated', { trust: { ...spiffe, authorities } });
    await refused('NoBundleToAuthenticate', { trust: { ...spiffe, authorities: [] } });
    assert.equal(server.requests.length, 0);
  });

  test('FE-10: neither profile stands in for the other', async () => {
    const selfMade = new TestCa('web.test');
    server.show(selfMade.svid('/endpoint', { dnsNames: ['localhost'] }));
    await refused('NotAuthenticated');
    server.show(endpoint);
    await refused('NotAuthenticated', {
      trust: { type: 'https_web', ca: formatPemCertificate(selfMade.certificate) },
    });
  });

  test('each fetch has a handshake of its own', async () => {
    const before = server.handshakes;
    await get();
    await get();
    assert.equal(server.handshakes, before + 2);
    server.show(intermediate.svid('/other'));
    await refused('NotAuthenticated');
  });
});

suite('what it answers', () => {
  test('FE-34: a body over the cap is not read to its end', async () => {
    let sent = 0;
    server.respond = (_request, response) => {
      response.writeHead(200, { 'content-type': 'application/json' });
      const chunk = Buffer.alloc(64 * 1024, 0x20);
      const write = () => {
        while (!response.destroyed && response.write(chunk)) sent += chunk.length;
        if (!response.destroyed) response.once('drain', write);
      };
      write();
    };
    await refused('TooLarge');
    assert.ok(sent < 64 * 1024 * 1024, String(sent));
  });

  test('FE-34: an endpoint that never ends is given up', async () => {
    fetchWith({ timeoutMs: 300 });
    server.respond = () => {};
    await refused('EndpointUnreachable');
    server.respond = (_request, response) => {
      response.writeHead(200);
      response.write('{');
    };
    await refused('EndpointUnreachable');
  });

  test('a status other than 200, or an encoding nobody asked for, is no document', async () => {
    for (const status of [204, 206, 304, 400, 404, 500]) {
      server.respond = (_request, response) => {
        response.writeHead(status);
        response.end(documentOf(bundle));
      };
      await refused('BadAnswer');
    }
    server.respond = answerWith(documentOf(bundle), { 'content-encoding': 'gzip' });
    await refused('BadAnswer');
  });

  test('what is not a SPIFFE bundle is refused, unknown keys are left out', async () => {
    const deep = '['.repeat(100_000);
    for (const body of ['', 'null', '{}', '{"keys":{}}', '{"keys":[],"keys":[]}', deep, '\xff']) {
      server.respond = answerWith(Buffer.from(body, 'latin1'));
      await refused('BadBundle');
    }
    const document = JSON.parse(documentOf(bundle)) as { keys: unknown[] };
    document.keys.push({ kty: 'EC', use: 'wit-svid', kid: 'a' }, { kty: 'EC' });
    server.respond = answerWith(JSON.stringify(document));
    const { bundle: read, ignored } = await get();
    assert.equal(read.x509Authorities.length, 1);
    assert.equal(ignored.length, 2);
  });

  test('an answer that breaks off is no document', async () => {
    server.respond = (_request, response) => {
      response.writeHead(200, { 'content-length': '1000' });
      response.write('{"keys":[');
      setTimeout(() => response.destroy(), 20);
    };
    await refused('EndpointUnreachable');
  });
});
