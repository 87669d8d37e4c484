// Public documents over real TLS: what is answered, to whom, and what a peer can take.

import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { systemClock } from '../../../src/base/clock.ts';
import { Latest } from '../../../src/base/latest.ts';
import { type LogFields, type Logger, silentLogger } from '../../../src/base/log.ts';
import { CertificateFiles } from '../../../src/public/certificate-files.ts';
import { servePublic } from '../../../src/public/public-listener.ts';
import { formatPemCertificate } from '../../../src/spiffe/pem.ts';
import type { TlsCertificate } from '../../../src/transport/http/https-server.ts';
import { type HttpsGet, httpsGet } from '../../fakes/https-get.ts';
import { TestCa } from '../../fakes/test-ca.ts';
import { until } from '../process-harness.ts';

const ca = new TestCa('example.org');
const other = new TestCa('example.org');
const pem = formatPemCertificate(ca.certificate);

function issue(from = ca): TlsCertificate {
  const { chain, privateKey } = from.svid('/signet/controller', { dnsNames: ['localhost'] });
  return {
    cert: chain.map(formatPemCertificate).join(''),
    key: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
  };
}

const stop = new AbortController();
const certificate = new Latest<TlsCertificate>();
let text: string | Uint8Array | undefined;
let port = 0;
let served: Promise<void>;
before(async () => {
  const listening = Promise.withResolvers<number>();
  served = servePublic(
    {
      name: 'test',
      address: { host: '127.0.0.1', port: 0 },
      documents: [
        { path: '/a/document', type: 'application/json', maxAgeSeconds: 900, read: () => text },
      ],
      hosts: new Set(['localhost', 'oidc.example.org']),
      certificate,
      log: silentLogger,
      onListening: listening.resolve,
    },
    stop.signal,
  );
  certificate.set(issue());
  port = await listening.promise;
});
after(async () => {
  stop.abort();
  await served;
});

async function get(more: Partial<HttpsGet> = {}) {
  return await httpsGet({ port, path: '/a/document', ca: pem, ...more });
}

test('nothing to show yet is 503, and nobody keeps that', async () => {
  text = undefined;
  const { status, headers } = await get();
  assert.equal(status, 503);
  assert.equal(headers['cache-control'], 'no-store');
});

test('a document with its type, its age and a tag; HEAD says the same without it', async () => {
  text = '{"keys":[]}';
  const { status, headers, body } = await get();
  assert.equal(status, 200);
  assert.equal(body, text);
  assert.match(String(headers['content-type']), /^application\/json/);
  assert.equal(headers['cache-control'], 'public, max-age=900');
  assert.equal(headers['x-content-type-options'], 'nosniff');
  const head = await get({ method: 'HEAD' });
  assert.equal(head.status, 200);
  assert.equal(head.body, '');
  assert.equal(head.headers['etag'], headers['etag']);
  assert.equal(head.headers['content-length'], String(text.length));
});

test('bytes are served as they are', async () => {
  text = Uint8Array.of(0x41, 0x42);
  assert.equal((await get()).body, 'AB');
});

test('who has it already gets no body, until it changes', async () => {
  text = 'one';
  const { headers } = await get();
  const tag = String(headers['etag']);
  for (const known of [tag, `W/${tag}`, `"x", ${tag}`]) {
    const again = await get({ headers: { 'if-none-match': known } });
    assert.deepEqual([again.status, again.body], [304, '']);
    assert.equal(again.headers['cache-control'], 'public, max-age=900');
  }
  text = 'two';
  assert.equal((await get({ headers: { 'if-none-match': tag } })).body, 'two');
});

test('only names that are ours are answered; what was forwarded is not looked at', async () => {
  text = 'x';
  for (const host of ['localhost', 'oidc.example.org', 'OIDC.example.org:8443', 'localhost:1']) {
    assert.equal((await get({ headers: { host } })).status, 200, host);
  }
  for (const host of [
    'evil.example',
    'oidc.example.org.evil.example',
    '127.0.0.1',
    'localhost:x',
  ]) {
    const refused = await get({ headers: { host } });
    assert.equal(refused.status, 421, host);
    assert.doesNotMatch(refused.body, /evil|127/);
  }
  const forwarded = { host: 'evil.example', 'x-forwarded-host': 'oidc.example.org' };
  assert.equal((await get({ headers: forwarded })).status, 421);
  const asked = { host: 'oidc.example.org', 'x-forwarded-host': 'evil.example' };
  assert.equal((await get({ headers: asked })).status, 200);
});

test('nothing but GET and HEAD of what is there', async () => {
  text = 'x';
  for (const method of ['POST', 'PUT', 'DELETE', 'OPTIONS', 'PATCH']) {
    const refused = await get({ method });
    assert.equal(refused.status, 405, method);
    assert.equal(refused.headers['allow'], 'GET, HEAD');
  }
  for (const path of [
    '/',
    '/a',
    '/a/document/',
    '/A/document',
    '/a/%64ocument/..',
    '//a/document',
  ]) {
    assert.equal((await get({ path })).status, 404, path);
  }
  assert.equal((await get({ path: '/a/document?x=y' })).status, 200);
  const big = { 'x-big': 'x'.repeat(9000) };
  assert.equal((await get({ headers: big })).status, 431);
});

test('a new certificate is taken up while it runs', async () => {
  text = 'x';
  certificate.set(issue(other));
  const trusted = formatPemCertificate(other.certificate);
  await until(
    async () => (await get({ ca: trusted }).catch(() => undefined))?.status === 200,
    5000,
  );
  await assert.rejects(get());
  certificate.set(issue());
  await until(async () => (await get().catch(() => undefined))?.status === 200, 5000);
});

test('an operator’s files: read when they come, again when they change, never what does not fit', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'signet-tls-'));
  const warnings: LogFields[] = [];
  const log: Logger = {
    ...silentLogger,
    warn: (fields) => {
      warnings.push(fields);
    },
  };
  const files = new CertificateFiles({ directory, clock: systemClock, log });
  const write = ({ cert, key }: TlsCertificate) => {
    writeFileSync(join(directory, 'tls.crt'), cert);
    writeFileSync(join(directory, 'tls.key'), key);
  };
  try {
    await files.look();
    await files.look();
    assert.equal(files.current.value, undefined);
    assert.equal(warnings.length, 1, 'said once');
    const [one, two] = [issue(), issue()];
    write(one);
    await files.look();
    assert.deepEqual(files.current.value, one);
    for (const bad of [
      { cert: one.cert, key: two.key },
      { cert: one.cert, key: 'x' },
      { cert: 'x', key: one.key },
      { cert: one.cert, key: `${one.key}${'x'.repeat(70_000)}` },
    ]) {
      write(bad);
      await files.look();
      assert.deepEqual(files.current.value, one);
    }
    assert.equal(warnings.length, 5);
    assert.doesNotMatch(JSON.stringify(warnings), /PRIVATE|MI[GI]/);
    write(two);
    await files.look();
    assert.deepEqual(files.current.value, two);
  } finally {
    rmSync(directory, { recursive: true });
  }
});
