// Fetching over real HTTPS: who the endpoint must be, where it may be, what it may answer.

import assert from 'node:assert/strict';
import { after, afterEach, before, beforeEach, suite, test } from 'node:test';
import { systemClock } from '../../../src/base/clock.ts';
import { CodedError } from '../../../src/base/errors.ts';
import { AddressRules } from '../../../src/federation/address-rules.ts';
import { BundleFetcher, type FetchRequest } from '../../../src/federation/bundle-fetch.ts';
import type { EndpointTrust } from '../../../src/federation/endpoint-tls.ts';
import { documentOf } from '../../../src/federation/federated-bundle.ts';
import { formatPemCertificate } from '../../../src/spiffe/pem.ts';
import { parseSpiffeId, parseTrustDomain } from '../../../src/spiffe/spiffe-id.ts';
import { TestCa } from '../../fakes/test-ca.ts';
import { bundleOf } from '../../unit/federation/fixtures.ts';
import { answerWith, PeerServer, redirectTo } from './peer-server.ts';

const trustDomain = parseTrustDomain('peer.test');
const ca = new TestCa('peer.test');
const intermediate = ca.intermediate();
const endpoint = intermediate.svid('/endpoint', { dnsNames: ['localhost', 'peer.test'] });
const endpointId = parseSpiffeId(endpoint.spiffeId);
const bundle = bundleOf('peer.test', { sequence: 5, hint: 60, ca });
const spiffe: EndpointTrust = { type: 'https_spiffe', endpointId, authorities: [ca.certificate] };
const web: EndpointTrust = { type: 'https_web', ca: formatPemCertificate(ca.certificate) };

/** Names that no resolver knows. */
const HOSTS: Readonly<Record<string, readonly string[]>> = {
  localhost: ['127.0.0.1'],
  'peer.test': ['127.0.0.1'],
  'metadata.test': ['169.254.169.254'],
  'private.test': ['10.1.2.3'],
  'mixed.test': ['127.0.0.1', '169.254.169.254'],
  'dead-and-alive.test': ['127.0.0.9', '127.0.0.1'],
};

let server: PeerServer;
let resolved: string[];
let fetcher: BundleFetcher;
before(async () => {
  server = await PeerServer.start(endpoint, answerWith(documentOf(bundle)));
});
after(async () => await server.stop());
beforeEach(() => {
  resolved = [];
  fetcher = fetcherWith({});
});
afterEach(() => {
  server.respond = answerWith(documentOf(bundle));
  server.show(endpoint);
  server.requests.length = 0;
});

function fetcherWith({ allowsLoopback = true, timeoutMs = 5000 }) {
  return new BundleFetcher({
    rules: new AddressRules({ allowsLoopback }),
    clock: systemClock,
    timeoutMs,
    resolve: async (host) => {
      resolved.push(host);
      return HOSTS[host] ?? [];
    },
  });
}

async function get(more: Partial<FetchRequest> = {}) {
  const signal = new AbortController().signal;
  return await fetcher.fetch({ url: server.url(), trustDomain, trust: spiffe, ...more }, signal);
}

async function refused(reason: string, more: Partial<FetchRequest> = {}): Promise<string> {
  try {
    await get(more);
  } catch (thrown) {
    assert.ok(thrown instanceof CodedError, String(thrown));
    assert.equal(thrown.reason, reason, thrown.message);
    return thrown.message;
  }
  assert.fail(`must be refused: ${reason}`);
}

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
      fetcher = fetcherWith({ allowsLoopback: false });
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
    fetcher = fetcherWith({ timeoutMs: 300 });
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
