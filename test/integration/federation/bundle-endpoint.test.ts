// Our own bundle endpoint: what it serves, to whom, with which certificate; asked by our own fetcher and by
// plain clients.

import assert from 'node:assert/strict';
import { request } from 'node:https';
import { after, before, test } from 'node:test';
import { type ConnectionOptions, connect, type TLSSocket } from 'node:tls';
import { systemClock } from '../../../src/base/clock.ts';
import { Latest } from '../../../src/base/latest.ts';
import { silentLogger } from '../../../src/base/log.ts';
import { AddressRules } from '../../../src/federation/address-rules.ts';
import { BundleFetcher } from '../../../src/federation/bundle-fetch.ts';
import { BUNDLE_LIMITS, bundleDocument } from '../../../src/public/bundle.ts';
import { servePublic } from '../../../src/public/public-listener.ts';
import type { Bundle } from '../../../src/spiffe/bundle/bundle.ts';
import { formatPemCertificate } from '../../../src/spiffe/pem.ts';
import { parseSpiffeId } from '../../../src/spiffe/spiffe-id.ts';
import type { TlsCertificate } from '../../../src/transport/http/https-server.ts';
import { TestCa, type TestSvid } from '../../fakes/test-ca.ts';
import { bundleOf, OWN } from '../../unit/federation/fixtures.ts';

const ca = new TestCa(OWN);
const endpoint = ca.intermediate().svid('/signet/bundle-endpoint', { dnsNames: ['localhost'] });
const certificate = new Latest<TlsCertificate>();
let current: Bundle | undefined;
const stop = new AbortController();
let port: number;
let serving: Promise<void>;

before(async () => {
  certificate.set(pemOf(endpoint));
  const listening = Promise.withResolvers<number>();
  serving = servePublic(
    {
      name: 'bundle',
      address: { host: '127.0.0.1', port: 0 },
      documents: [bundleDocument(() => current, 300)],
      certificate,
      log: silentLogger,
      limits: BUNDLE_LIMITS,
      onListening: listening.resolve,
    },
    stop.signal,
  );
  port = await listening.promise;
});
after(async () => {
  stop.abort();
  await serving;
});

function pemOf({ chain, privateKey }: TestSvid): TlsCertificate {
  return {
    cert: chain.map(formatPemCertificate).join(''),
    key: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
  };
}

type Answer = {
  readonly status: number;
  readonly headers: NodeJS.Dict<string | string[]>;
  readonly body: string;
};

async function ask(path = '/', method = 'GET', headers = {}): Promise<Answer> {
  return await new Promise<Answer>((resolve, reject) => {
    const outgoing = request(
      {
        host: '127.0.0.1',
        port,
        path,
        method,
        headers,
        ca: formatPemCertificate(ca.certificate),
        servername: 'localhost',
        agent: false,
      },
      (response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.on('end', () => {
          const body = Buffer.concat(chunks).toString('utf8');
          resolve({ status: response.statusCode ?? 0, headers: response.headers, body });
        });
      },
    );
    outgoing.on('error', reject);
    outgoing.end();
  });
}

test('nothing is served before there is something to trust', async () => {
  current = undefined;
  assert.equal((await ask()).status, 503);
  current = { ...bundleOf(OWN), x509Authorities: [] };
  assert.equal((await ask()).status, 503);
});

test('FE-16, FE-17: the newest bundle with sequence and hint, as JSON, for a while', async () => {
  for (const sequence of [7, 8]) {
    current = bundleOf(OWN, { sequence, ca });
    const { status, headers, body } = await ask();
    assert.equal(status, 200);
    assert.match(String(headers['content-type']), /^application\/json/);
    assert.equal(headers['cache-control'], 'public, max-age=60');
    const document = JSON.parse(body) as Record<string, unknown>;
    assert.equal(document['spiffe_sequence'], sequence);
    assert.equal(document['spiffe_refresh_hint'], 300);
    assert.deepEqual(
      (document['keys'] as { use: string }[]).map(({ use }) => use),
      ['x509-svid', 'jwt-svid'],
    );
  }
});

test('FE-19: one path and no other, no redirect, and nothing of the request comes back', async () => {
  current = bundleOf(OWN, { sequence: 7, ca });
  for (const path of ['/bundle', '/keys', '/.well-known/openid-configuration', '//', '/%2e']) {
    const { status, headers } = await ask(path);
    assert.equal(status, 404, path);
    assert.equal(headers['location'], undefined);
    assert.equal(headers['cache-control'], 'no-store');
  }
  for (const method of ['POST', 'PUT', 'DELETE', 'OPTIONS', 'TRACE']) {
    assert.ok((await ask('/', method)).status >= 400, method);
  }
  const host = 'evil.test';
  const headers = { host, 'x-forwarded-host': host, 'x-forwarded-proto': 'http' };
  const answer = await ask('/?redirect=https://evil.test', 'GET', headers);
  assert.equal(answer.status, 200);
  assert.doesNotMatch(JSON.stringify(answer), /evil/);
});

test('FE-08, FE-28: an https_spiffe client of any trust domain fetches it', async () => {
  current = bundleOf(OWN, { sequence: 7, ca });
  const rules = new AddressRules({ allowsLoopback: true });
  const fetched = await new BundleFetcher({ rules, clock: systemClock }).fetch(
    {
      url: `https://127.0.0.1:${port}/`,
      trustDomain: OWN,
      trust: {
        type: 'https_spiffe',
        endpointId: parseSpiffeId(`spiffe://${OWN}/signet/bundle-endpoint`),
        authorities: [ca.certificate],
      },
    },
    new AbortController().signal,
  );
  assert.equal(fetched.bundle.sequence, 7);
  assert.equal(fetched.bundle.refreshHintSeconds, 300);
  assert.deepEqual(fetched.ignored, []);
});

async function handshake(options: ConnectionOptions): Promise<TLSSocket> {
  return await new Promise((resolve, reject) => {
    const socket = connect(
      {
        host: '127.0.0.1',
        port,
        servername: 'localhost',
        ca: formatPemCertificate(ca.certificate),
        ...options,
      },
      () => resolve(socket),
    );
    socket.on('error', reject);
  });
}

test('FE-09, FE-15: TLS 1.2 and 1.3 with forward secrecy, and no client is asked who it is', async () => {
  for (const version of ['TLSv1.2', 'TLSv1.3'] as const) {
    const socket = await handshake({ minVersion: version, maxVersion: version });
    assert.equal(socket.getProtocol(), version);
    const asked = socket.getFinished() !== undefined && socket.authorized;
    assert.ok(asked);
    socket.destroy();
  }
  await assert.rejects(handshake({ minVersion: 'TLSv1.1', maxVersion: 'TLSv1.1' }));
  const weak = { maxVersion: 'TLSv1.2', ciphers: 'AES128-GCM-SHA256' } as const;
  await assert.rejects(handshake(weak));
});

test('a new certificate is served from the next handshake on', async () => {
  const serialOf = async () => {
    const socket = await handshake({});
    const { serialNumber } = socket.getPeerCertificate();
    socket.destroy();
    return serialNumber;
  };
  const first = await serialOf();
  certificate.set(pemOf(ca.svid('/signet/bundle-endpoint', { dnsNames: ['localhost'] })));
  let next = first;
  for (let look = 0; look < 100 && next === first; look += 1) next = await serialOf();
  assert.notEqual(next, first);
});
