// A pool of `pg`, unmodified, against PostgreSQL: no password, each connection by the SVID of its
// moment, and a server with another ID gets nothing.

import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { exactly, liveTlsOptions } from '../../../client/src/index.ts';
import { CodedError } from '../../../src/base/errors.ts';
import { SERVER_ID, startTwoAgents } from '../../integration/client/two-agents.ts';
import { importInstalled } from './installed.ts';
import { PostgresServer } from './postgres-server.ts';

/** What is used of pg here. */
type Pool = {
  query(text: string): Promise<{ readonly rows: readonly Record<string, unknown>[] }>;
  end(): Promise<void>;
  on(event: 'error', listener: () => void): void;
};
type Pg = { readonly Pool: new (options: object) => Pool };

const agents = await startTwoAgents();
const server = await PostgresServer.start(agents.ca, agents.ca.svid('/server'));
const skip = server === undefined && process.env['CI'] !== 'true' ? 'no PostgreSQL' : false;
const { default: pg } = (await importInstalled('pg')) as { default: Pg };
const pools: Pool[] = [];
after(async () => {
  await Promise.all(pools.map((pool) => pool.end()));
  await server?.stop();
  await agents.stop();
});

/** One use for each connection, so that the next query needs a new one. */
function poolFor(id: string): Pool {
  const pool = new pg.Pool({
    host: '127.0.0.1',
    port: server?.port,
    user: 'agent',
    database: 'postgres',
    max: 1,
    maxUses: 1,
    ssl: liveTlsOptions({ source: agents.client.source, authorize: exactly(id) }),
  });
  // Of connections that nobody uses any more: the server may end before they have.
  pool.on('error', () => {});
  pools.push(pool);
  return pool;
}

const SERIAL = 'select client_serial::text as serial from pg_stat_ssl where pid = pg_backend_pid()';

test('a new connection of the pool uses the certificate of its moment', { skip }, async () => {
  const pool = poolFor(SERVER_ID);
  const serial = async () => String((await pool.query(SERIAL)).rows[0]?.['serial']);
  const first = await serial();
  assert.match(first, /^[0-9]+$/);
  assert.equal(await serial(), first);
  await agents.client.rotate();
  assert.notEqual(await serial(), first);
});

test('a server with another ID is refused before anything is sent', { skip }, async () => {
  const refused = poolFor('spiffe://example.org/other');
  await assert.rejects(refused.query('select 1'), {
    code: 'permission-denied',
    message: /peer is spiffe:\/\/example.org\/server/,
  });
});

test('a withdrawn identity ends what is open and fails the next, not the process', {
  skip,
}, async () => {
  const pool = poolFor(SERVER_ID);
  await pool.query('select 1');
  const { connections } = agents.client.source;
  const asked = pool.query('select pg_sleep(60)').then(
    () => 'answered',
    () => 'ended',
  );
  for (let tries = 0; tries < 1000 && connections.size === 0; tries += 1) {
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  assert.equal(connections.size, 1);
  agents.client.api.x509Svids.set(new CodedError('permission-denied', 'no identity issued'));
  for (let tries = 0; tries < 1000 && hasIdentity(); tries += 1) {
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  assert.equal(await asked, 'ended');
  await assert.rejects(pool.query('select 1'));
  assert.equal(connections.size, 0);
});

function hasIdentity(): boolean {
  try {
    return agents.client.source.svid !== undefined;
  } catch {
    return false;
  }
}
