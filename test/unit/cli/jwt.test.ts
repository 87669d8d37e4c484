// `signet jwt` over a real socket, real files and real TLS.

import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { Latest } from '../../../src/base/latest.ts';
import { silentLogger } from '../../../src/base/log.ts';
import type { Report } from '../../../src/cli/jwt/preflight.ts';
import { jwtCommand } from '../../../src/cli/jwt.ts';
import { oidcDocuments } from '../../../src/public/oidc.ts';
import { servePublic } from '../../../src/public/public-listener.ts';
import { parseIssuerUrl } from '../../../src/spiffe/jwt-svid/issuer-url.ts';
import { formatPemCertificate } from '../../../src/spiffe/pem.ts';
import type { TlsCertificate } from '../../../src/transport/http/https-server.ts';
import { FakeWorkloadApi, x509Answer } from '../../fakes/fake-workload-api.ts';
import { TestCa } from '../../fakes/test-ca.ts';
import { KEYS, makeToken, SPIFFE_ID } from './jwt-fixtures.ts';
import { runCommand } from './run-command.ts';

const ca = new TestCa('example.org');
const directory = mkdtempSync(join(tmpdir(), 'signet-jwt-'));
const trust = join(directory, 'ca.pem');
const api = new FakeWorkloadApi(join(directory, 's.sock'));
const stop = new AbortController();
let served: Promise<void>;
let issuer = '';

before(async () => {
  writeFileSync(trust, formatPemCertificate(ca.certificate));
  await api.start();
  const certificate = new Latest<TlsCertificate>();
  const { chain, privateKey } = ca.svid('/oidc', { dnsNames: ['localhost'] });
  certificate.set({
    cert: chain.map(formatPemCertificate).join(''),
    key: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
  });
  const listening = Promise.withResolvers<number>();
  // The issuer has the port that is known only when it listens.
  const read = (path: string) =>
    oidcDocuments(parseIssuerUrl(issuer, 'issuer'), () => KEYS)
      .find((each) => each.path === path)
      ?.read();
  const paths = ['/.well-known/openid-configuration', '/keys'];
  const type = 'application/json';
  served = servePublic(
    {
      name: 'test',
      address: { host: '127.0.0.1', port: 0 },
      documents: paths.map((path) => ({ path, type, maxAgeSeconds: 1, read: () => read(path) })),
      certificate,
      log: silentLogger,
      onListening: listening.resolve,
    },
    stop.signal,
  );
  issuer = `https://localhost:${await listening.promise}`;
});
after(async () => {
  stop.abort();
  await served;
  await api.stop();
  rmSync(directory, { recursive: true });
});

async function preflight(...args: readonly string[]) {
  const { code, out } = await runCommand(jwtCommand, ['preflight', ...args, '-o', 'json']);
  const { findings, subject } = JSON.parse(out) as Report;
  const found = new Map(
    findings.map(({ check, status, message }) => [check, `${status} ${message}`]),
  );
  return { code, out, found, subject };
}

const socket = () => ['--socket', api.path];

test('a token from a socket, checked against documents that are fetched over TLS', async () => {
  const asked: unknown[] = [];
  api.jwtSvid = (request) => {
    asked.push(request.audience);
    const svid = makeToken({ claims: { iss: issuer, aud: [...request.audience] } });
    return { svids: [{ spiffeId: SPIFFE_ID, svid, hint: '' }] };
  };
  const good = await preflight('--for=openai', ...socket(), '--audience=x', '--ca-file', trust);
  assert.equal(good.found.get('discovery'), `ok ${issuer}`);
  assert.equal(good.found.get('signature'), 'ok by key key-1');
  assert.equal(good.found.get('subject')?.startsWith('unknown'), true);
  assert.deepEqual([good.code, good.subject, asked], [0, SPIFFE_ID, [['x']]]);
  const usual = await preflight('--for=anthropic', ...socket(), '--ca-file', trust);
  assert.deepEqual(asked[1], ['https://api.anthropic.com']);
  assert.match(usual.found.get('issuer-url') ?? '', /refused iss has port/);
  assert.equal(usual.code, 1);
  const text = await runCommand(jwtCommand, [
    'preflight',
    '--for=anthropic',
    ...socket(),
    '--ca-file',
    trust,
  ]);
  assert.match(text.out, /\nthe Claude API would refuse this token of spiffe:.*; rules broken: 1/);
  for (const { out } of [good, usual, text]) assert.doesNotMatch(out, /eyJ/);
});

test('an authority that is not trusted is a refusal, and a token chooses no file of ours', async () => {
  const file = join(directory, 'token');
  writeFileSync(file, makeToken({ claims: { iss: issuer, aud: 'x' } }));
  const untrusted = await preflight('--for=gcp', '--token-file', file, '--audience=x');
  assert.match(untrusted.found.get('signature') ?? '', /^refused https:\/\/localhost.*certificate/);
  writeFileSync(file, makeToken({ claims: { iss: directory, aud: 'x' } }));
  const local = await preflight('--for=gcp', '--token-file', file, '--audience=x');
  assert.equal(
    local.found.get('signature'),
    'refused iss is not an https URL, so no keys are found by it',
  );
});

test('PostgreSQL takes a certificate: its common name, its chain', async () => {
  const pem = join(directory, 'svid.pem');
  const below = ca.intermediate();
  const { chain } = below.svid('/a');
  writeFileSync(pem, chain.map(formatPemCertificate).join(''));
  const nameless = await preflight('--for=postgres', '--cert-file', pem);
  assert.match(nameless.found.get('common-name') ?? '', /^refused the subject has no common name/);
  assert.equal(nameless.found.get('chain'), 'ok 1 above the leaf');
  assert.deepEqual([nameless.code, nameless.subject], [1, 'spiffe://example.org/a']);
  // An authority's certificate has a name; that is all that is asked of it here.
  writeFileSync(pem, formatPemCertificate(ca.certificate));
  const named = await preflight('--for=postgres', '--cert-file', pem, '--subject=web');
  assert.match(named.found.get('common-name') ?? '', /^ok example\.org/);
  assert.match(named.found.get('user-name') ?? '', /^warning .* is not user web/);
  assert.match(named.found.get('chain') ?? '', /^warning the leaf alone/);
  assert.equal(named.code, 0);
  const expired = ca.svid('/a', { notBefore: new Date(0), notAfter: new Date(86_400_000) });
  writeFileSync(pem, [...expired.chain, ca.certificate].map(formatPemCertificate).join(''));
  assert.match(
    (await preflight('--for=postgres', '--cert-file', pem)).found.get('dates') ?? '',
    /^refused expired/,
  );
  writeFileSync(
    pem,
    [...chain.slice(0, 1), new TestCa('b.test').certificate].map(formatPemCertificate).join(''),
  );
  assert.match(
    (await preflight('--for=postgres', '--cert-file', pem)).found.get('chain') ?? '',
    /^refused certificate 1/,
  );
  api.x509Svids.set(x509Answer(ca, [{ ...ca.svid('/b'), hint: '' }]));
  assert.equal((await preflight('--for=postgres', ...socket())).subject, 'spiffe://example.org/b');
});

test('inspect shows every claim, harmless to a terminal, and not the token', async () => {
  const file = join(directory, 'token');
  writeFileSync(
    file,
    makeToken({ claims: { agent_name: 'a\u001b[31m', exp: 1, nested: { a: [1] } } }),
  );
  const { code, out } = await runCommand(jwtCommand, ['inspect', file]);
  assert.equal(code, 0);
  assert.match(out, /alg +RS256\n/);
  assert.match(out, /agent_name +a\?\[31m\n/);
  assert.match(out, /exp +1 {2}1970-01-01T00:00:01Z\n/);
  assert.match(out, /nested +\{"a":\[1\]\}\n/);
  assert.match(out, /characters, expired; the signature was not verified/);
  assert.doesNotMatch(out, /eyJ/);
});

test('a call that makes no sense', async () => {
  const file = join(directory, 'no-token');
  writeFileSync(file, 'x');
  for (const [args, message] of [
    [['preflight', '--for=nobody'], /--for: "nobody" is not one of anthropic, openai, /],
    [['preflight', '--for=openai', ...socket()], /--audience: needed/],
    [['preflight', '--for=aws', '--token-file', file], /token: not three parts/],
    [['preflight', '--for=aws', '--token-file', '/nowhere'], /\/nowhere: cannot be read/],
    [['preflight', '--for=postgres', '--token-file', file], /--token-file: no token is taken/],
  ] as const) {
    await assert.rejects(runCommand(jwtCommand, args), { code: 'invalid-argument', message });
  }
  assert.equal((await runCommand(jwtCommand, ['preflight', 'more'])).code, 2);
  assert.equal((await runCommand(jwtCommand, [])).code, 2);
});
