// The example for PostgreSQL, run by Debian's server: a certificate that comes on the lists is refused after
// the reload, and its sessions are ended; others go on.

import assert from 'node:assert/strict';
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { chownSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { formatPemCertificate } from '../../../src/spiffe/pem.ts';
import { TestCa, type TestSvid } from '../../fakes/test-ca.ts';
import { freePort } from '../npm/postgres-server.ts';
import { NOBODY, NOT_ROOT, ServedFiles, searchPath, skipWithout } from './served-files.ts';

const LIMIT_MS = 20_000;

const root = new TestCa('example.org');
const intermediate = root.intermediate();
const files = new ServedFiles({ root, intermediate }, intermediate.svid('/postgres'));
const skip = skipWithout('postgres', 'initdb', 'psql', 'openssl');
const children: ChildProcess[] = [];
after(async () => {
  for (const child of children) child.kill();
  await files.stop();
});

const good = intermediate.svid('/agent', { commonName: 'agent.shop' });
const bad = intermediate.svid('/agent', { commonName: 'agent.shop' });
const stranger = intermediate.svid('/agent', { commonName: 'agent.other' });

/** Arguments and environment of libpq for somebody with this certificate. */
function client(name: string, { chain, privateKey }: TestSvid, port: number) {
  const write = (file: string, text: string): string => {
    const path = join(files.root, `${name}.${file}`);
    writeFileSync(path, text, { mode: 0o600 });
    return path;
  };
  return {
    PATH: searchPath(),
    PGHOST: '127.0.0.1',
    PGPORT: String(port),
    PGUSER: 'agent',
    PGDATABASE: 'postgres',
    PGSSLMODE: 'verify-ca',
    PGSSLCERT: write('crt', chain.map(formatPemCertificate).join('')),
    PGSSLKEY: write('key', privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()),
    PGSSLROOTCERT: write('ca', formatPemCertificate(root.certificate)),
  };
}

type Env = Readonly<Record<string, string>>;

/** `1`, or the server's refusal. */
async function query(env: Env, sql = 'select 1'): Promise<string> {
  const child = spawn('psql', ['-XAtq', '-c', sql], { env, stdio: ['ignore', 'pipe', 'pipe'] });
  children.push(child);
  let said = '';
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (part) => (said += String(part)));
  await new Promise((resolve) => child.once('close', resolve));
  return said.trim();
}

async function until(what: string, holds: () => Promise<boolean>): Promise<void> {
  for (const limit = Date.now() + LIMIT_MS; !(await holds()); ) {
    if (Date.now() > limit) assert.fail(`waited for ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

test('a certificate that comes on the lists is refused, and its sessions ended', {
  skip,
}, async () => {
  const port = await freePort();
  const data = join(files.root, 'data');
  mkdirSync(data, { mode: 0o700 });
  if ('uid' in NOT_ROOT) chownSync(data, NOBODY, NOBODY);
  const PATH = searchPath();
  const init = ['-D', data, '-U', 'postgres', '--auth=reject', '--no-sync', '--no-instructions'];
  const options = { ...NOT_ROOT, env: { PATH, LC_ALL: 'C', TZ: 'UTC' }, cwd: files.root };
  execFileSync('initdb', init, { ...options, stdio: 'pipe' });
  files.write([]);
  const example = files.writeExample('postgres-crl', (text) => text);
  const server = ['postgres', '-D', data, '-p', String(port), '-k', files.root, '-c', 'fsync=off'];
  const admin = { PGHOST: files.root, PGPORT: String(port), PGUSER: 'postgres' };
  const env = { EXAMPLE_CONFIG: example, LC_ALL: 'C', TZ: 'UTC', ...admin };
  const running = files.start([`${example}/run.sh`, ...server], env, NOT_ROOT);
  let said = '';
  for (const each of [running.stdout, running.stderr])
    each?.on('data', (part) => (said += String(part)));
  const makeRole = async () =>
    (await query({ ...client('none', good, port), ...admin }, 'create role agent login')) === '';
  await until('PostgreSQL', makeRole).catch(() => assert.fail(said));
  const clients = { good: client('good', good, port), bad: client('bad', bad, port) };
  assert.equal(await query(clients.good), '1');
  assert.equal(await query(clients.bad), '1');
  assert.match(await query(client('stranger', stranger, port)), /authentication failed for user/);
  const sessions = {
    good: query(clients.good, 'select pg_sleep(8)'),
    bad: query(clients.bad, 'select pg_sleep(60)'),
  };
  const count = { ...clients.good, ...admin };
  const open = "select count(*) from pg_stat_activity where query like 'select pg_sleep%'";
  await until('both sessions', async () => (await query(count, open)) === '2');
  files.write([bad, intermediate.svid('/somebody-else')]);
  assert.match(await sessions.bad, /terminating connection due to administrator command/);
  assert.match(await query(clients.bad), /certificate revoked/);
  assert.equal(await query(clients.good), '1');
  assert.equal(await sessions.good, '', 'it slept to its end');
  files.write([]);
  await until('a hold that was lifted', async () => (await query(clients.bad)) === '1');
});
