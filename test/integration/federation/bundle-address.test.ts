// Where an endpoint may be, and where it may redirect to.

import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { documentOf } from '../../../src/federation/federated-bundle.ts';
import {
  bundle,
  endpoint,
  fetchWith,
  get,
  intermediate,
  refused,
  resolved,
  server,
  usePeer,
  web,
} from './fetch-fixtures.ts';
import { answerWith, PeerServer, redirectTo } from './peer-server.ts';

usePeer();

suite('where it is', () => {
  test('FE-34: addresses are judged after they are resolved, and one bad one is enough', async () => {
    for (const host of ['metadata.test', 'private.test', 'mixed.test']) {
      await refused('AddressDenied', { url: server.url(host) });
    }
    for (const host of [
      '169.254.169.254',
      '10.1.2.3',
      '[::ffff:127.0.0.1]',
      '0x7f.1',
      '2130706433',
    ]) {
      fetchWith({ allowsLoopback: false });
      await refused('AddressDenied', { url: server.url(host) });
    }
    assert.equal(server.requests.length, 0);
  });

  test('a host is resolved once, and connected to where it was judged', async () => {
    await get({ url: server.url('peer.test') });
    assert.deepEqual(resolved, ['peer.test']);
    assert.deepEqual(
      server.requests.map(({ host }) => host),
      [`peer.test:${server.port}`],
    );
  });

  test('of several addresses one that answers is enough', async () => {
    await get({ url: server.url('dead-and-alive.test') });
    await refused('EndpointUnreachable', { url: server.url('nowhere.test') });
    await refused('EndpointUnreachable', { url: `https://localhost:1/` });
  });
});

suite('redirects', () => {
  test('FE-22, FE-24: followed, each time from the configured URL', async () => {
    for (const status of [301, 302, 303, 307, 308]) {
      server.requests.length = 0;
      let hops = 0;
      server.respond = (request, response) => {
        const isFirst = request.url === '/bundle';
        if (isFirst) hops += 1;
        (isFirst ? redirectTo('/moved', status) : answerWith(documentOf(bundle)))(
          request,
          response,
        );
      };
      await get();
      await get();
      assert.equal(hops, 2, String(status));
      assert.deepEqual(
        server.requests.map(({ url }) => url),
        ['/bundle', '/moved', '/bundle', '/moved'],
      );
    }
  });

  test('FE-12, FE-18: a target that is no endpoint URL is not followed', async () => {
    const { port } = server;
    for (const target of [
      `http://localhost:${port}/`,
      `https://user@localhost:${port}/`,
      `https://user:secret@localhost:${port}/`,
      'ftp://localhost/',
      'file:///etc/passwd',
      'https://',
      'javascript:1',
      `https://localhost:${port}/${'a'.repeat(3000)}`,
    ]) {
      server.respond = redirectTo(target);
      await refused('BadRedirect');
    }
    server.respond = (_request, response) => {
      response.writeHead(302);
      response.end();
    };
    await refused('BadRedirect');
  });

  test('FE-23: the target must be the same SPIFFE ID, or have its own name', async () => {
    const other = await PeerServer.start(
      intermediate.svid('/other', { dnsNames: ['other.test'] }),
      answerWith(documentOf(bundle)),
    );
    try {
      server.respond = redirectTo(other.url());
      await refused('NotAuthenticated');
      await refused('NotAuthenticated', { trust: web });
      assert.equal(other.requests.length, 0);
      other.show(endpoint);
      await get();
      await get({ trust: web });
      assert.equal(other.requests.length, 2);
    } finally {
      await other.stop();
    }
  });

  test('FE-34: the address of each target is judged, and there is an end to them', async () => {
    server.respond = redirectTo(server.url('metadata.test'));
    await refused('AddressDenied');
    server.respond = redirectTo('https://169.254.169.254/latest/meta-data');
    await refused('AddressDenied');
    server.requests.length = 0;
    server.respond = redirectTo('/again');
    await refused('BadRedirect');
    assert.equal(server.requests.length, 4);
  });
});
