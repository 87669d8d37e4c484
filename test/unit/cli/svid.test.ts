import assert from 'node:assert/strict';
import {
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, afterEach, before, beforeEach, test } from 'node:test';
import { systemClock } from '../../../src/base/clock.ts';
import { CodedError } from '../../../src/base/errors.ts';
import { silentLogger } from '../../../src/base/log.ts';
import { svidCommand } from '../../../src/cli/svid.ts';
import { socketTarget } from '../../../src/cli/svid-source.ts';
import { formatPemCertificate } from '../../../src/spiffe/pem.ts';
import { FakeWorkloadApi, x509Answer } from '../../fakes/fake-workload-api.ts';
import { newKeys, TestCa } from '../../fakes/test-ca.ts';
import { runCommand } from './run-command.ts';

const ca = new TestCa('a.test');
const web = ca.svid('/web', { dnsNames: ['web.test'] });
let directory: string;
let api: FakeWorkloadApi;

before(() => {
  directory = mkdtempSync(join(tmpdir(), 'signet-svid-'));
});
after(() => rmSync(directory, { recursive: true }));
beforeEach(async () => {
  api = new FakeWorkloadApi(join(directory, 's.sock'));
  await api.start();
});
afterEach(async () => await api.stop());

const svid = async (...args: readonly string[]) => await runCommand(svidCommand, args);
const get = async (...args: readonly string[]) => await svid('get', '--socket', api.path, ...args);
const pemKey = (given: typeof web) =>
  given.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();

test('get shows what was fetched, and no key', async () => {
  api.x509Svids.set(x509Answer(ca, [{ ...web, hint: 'main' }]));
  const { code, out } = await get();
  assert.equal(code, 0);
  assert.match(out, /^X509-SVID +spiffe:\/\/a\.test\/web\n/);
  assert.match(out, /\nDNS names +web\.test\nrules +obeyed\n/);
  assert.match(out, /\nhint +main\n/);
  const secret = web.privateKey.export({ format: 'jwk' }).d ?? '';
  const bytes = Buffer.from(secret, 'base64url');
  for (const format of ['table', 'json', 'yaml']) {
    const { out: text } = await get('-o', format);
    for (const encoding of ['base64', 'base64url', 'hex'] as const) {
      assert.ok(!text.includes(bytes.toString(encoding).slice(0, 20)), `${format} ${encoding}`);
    }
    assert.doesNotMatch(text, /PRIVATE KEY/);
  }
});

test('get --out writes a key that fits, for the owner alone, and leaves links alone', async () => {
  api.x509Svids.set(x509Answer(ca, [web]));
  const to = join(directory, 'out');
  const outside = join(directory, 'outside');
  await get('--out', to);
  rmSync(join(to, 'svid.0.key'));
  writeFileSync(outside, 'untouched', { mode: 0o644 });
  symlinkSync(outside, join(to, 'svid.0.key'));
  const { out } = await get('--out', to);
  assert.match(out, /\nwrote .*svid\.0\.key\n/);
  assert.equal(readFileSync(outside, 'utf8'), 'untouched');
  assert.deepEqual(readdirSync(to).toSorted(), ['bundle.0.pem', 'svid.0.key', 'svid.0.pem']);
  for (const name of readdirSync(to)) assert.equal(statSync(join(to, name)).mode & 0o777, 0o600);
  assert.equal(readFileSync(join(to, 'svid.0.key'), 'utf8'), pemKey(web));
  assert.equal(
    readFileSync(join(to, 'bundle.0.pem'), 'utf8'),
    formatPemCertificate(ca.certificate),
  );
});

test('get refuses an answer whose key is not the certificate’s', async () => {
  api.x509Svids.set(x509Answer(ca, [{ ...web, privateKey: newKeys().privateKey }]));
  await assert.rejects(get(), { message: /the key of another certificate/ });
});

test('get says why there is no identity', async () => {
  api.x509Svids.set(new CodedError('permission-denied', 'no identity issued: NoPolicy'));
  await assert.rejects(get(), {
    code: 'permission-denied',
    message: /no identity issued: NoPolicy/,
  });
});

const token = (claims: object, header: object = { alg: 'ES256', kid: 'k', typ: 'JWT' }) =>
  [header, claims, {}]
    .map((part) => Buffer.from(JSON.stringify(part)).toString('base64url'))
    .join('.');
const CLAIMS = { sub: 'spiffe://a.test/web', aud: ['db'], exp: 4_000_000_000, agent_name: 'x' };

test('get --audience shows a token’s claims, and the token only when asked for', async () => {
  const jwt = token(CLAIMS);
  api.jwtSvid = ({ audience, spiffeId }) => {
    assert.deepEqual([audience, spiffeId], [['db'], '']);
    return { svids: [{ spiffeId: 'spiffe://a.test/web', svid: jwt }] };
  };
  const { out } = await get('--audience', 'db');
  assert.match(out, /^JWT-SVID +spiffe:\/\/a\.test\/web\n/);
  assert.match(out, /\nclaims +agent_name\n/);
  assert.ok(!out.includes(jwt));
  assert.equal((await get('--audience', 'db', '--token')).out, jwt);
});

test('watch prints each answer, goes on after an end, and stops when told', async () => {
  const stop = new AbortController();
  const lines: string[] = [];
  const errors: string[] = [];
  const print = (line: string) => {
    lines.push(line);
    if (lines.length === 1) api.x509Svids.set(new CodedError('permission-denied', 'Suspended'));
    else stop.abort();
  };
  api.x509Svids.set(x509Answer(ca, [web]));
  const code = await svidCommand(['watch', '--socket', api.path], {
    signal: stop.signal,
    clock: {
      ...systemClock,
      now: () => Date.now(),
      sleep: async () => {
        api.x509Svids.set(x509Answer(ca, [ca.svid('/next')]));
      },
    },
    log: silentLogger,
    out: print,
    err: (line) => errors.push(line),
    environment: {},
  });
  assert.equal(code, 0);
  assert.match(lines[0] ?? '', /Z {2}spiffe:\/\/a\.test\/web {2}until .*Z {2}serial [0-9a-f]+$/);
  assert.match(lines[1] ?? '', /spiffe:\/\/a\.test\/next /);
  assert.match(errors[0] ?? '', /Z {2}permission-denied: .*Suspended/);
});

async function inspected(bytes: Uint8Array | string, code = 0) {
  const file = join(directory, 'inspected');
  writeFileSync(file, bytes);
  const result = await svid('inspect', file, '-o', 'json');
  assert.equal(result.code, code);
  return (JSON.parse(result.out) as { items: Record<string, unknown>[] }).items;
}

test('inspect reads PEM with a key beside it, and DER one after the other', async () => {
  const [leaf] = web.chain;
  const pem =
    pemKey(web) + [leaf ?? new Uint8Array(), ca.certificate].map(formatPemCertificate).join('');
  for (const input of [pem, Buffer.concat([leaf ?? new Uint8Array(), ca.certificate])]) {
    const items = await inspected(input);
    assert.deepEqual(
      items.map(({ type, spiffeId, key, problem }) => [type, spiffeId, key, problem]),
      [
        ['X509-SVID', 'spiffe://a.test/web', 'ec prime256v1', ''],
        ['authority', 'spiffe://a.test', 'ec prime256v1', ''],
      ],
    );
    assert.doesNotMatch(JSON.stringify(items), /PRIVATE/);
  }
});

const BROKEN: readonly (readonly [string, Parameters<TestCa['svid']>[1], RegExp])[] = [
  ['two IDs', { uris: ['spiffe://a.test/1', 'spiffe://a.test/2'] }, /exactly one URI SAN/],
  ['no path', { uris: ['spiffe://a.test'] }, /has no path/],
  ['a signing key usage', { keyUsage: 0x84 }, /allows signing/],
];
for (const [what, shape, says] of BROKEN) {
  test(`inspect names the rule that ${what} breaks, and ends with 1`, async () => {
    const [item] = await inspected(Buffer.concat(ca.svid('/x', shape).chain), 1);
    assert.match(String(item?.['problem']), says);
  });
}

test('inspect judges tokens too', async () => {
  const [good] = await inspected(`${token(CLAIMS)}\n`);
  assert.deepEqual([good?.['audience'], good?.['problem']], [['db'], '']);
  const bad = async (jwt: string) => String((await inspected(jwt, 1))[0]?.['problem']);
  assert.match(await bad(token(CLAIMS, { alg: 'none', kid: 'k' })), /^alg:/);
  assert.match(await bad(token({ ...CLAIMS, sub: 'web' })), /^SPIFFE ID:/);
  assert.match(await bad(token({ ...CLAIMS, aud: [] })), /^aud:/);
  assert.match(await bad(token({ sub: CLAIMS.sub, aud: 'db' })), /^exp:/);
});

for (const input of [
  '',
  'hello',
  '-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n',
]) {
  test(`inspect refuses ${JSON.stringify(input.slice(0, 12))}`, async () => {
    const file = join(directory, 'refused');
    writeFileSync(file, input);
    await assert.rejects(svid('inspect', file), { code: 'invalid-argument' });
  });
}

test('a socket is a path or a unix address', () => {
  assert.equal(socketTarget('unix:///run/s.sock'), 'unix:///run/s.sock');
  assert.equal(socketTarget('/run/s.sock'), 'unix:///run/s.sock');
  for (const address of [undefined, 'tcp://1.2.3.4:5', `/${'a'.repeat(107)}`]) {
    assert.throws(() => socketTarget(address), { code: 'invalid-argument' });
  }
});
