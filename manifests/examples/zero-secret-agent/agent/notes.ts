// A pool of `pg`: each new connection has the certificate of its moment, and goes to this database alone.

import { liveTlsOptions } from '@signet/client';
import pg from 'pg';
import { backend, certificates } from './identity.ts';

const pool = new pg.Pool({
  host: 'postgres.backends.svc',
  database: 'notes',
  user: 'researcher',
  max: 1,
  // PostgreSQL checks certificates of new connections only.
  maxLifetimeSeconds: 5,
  connectionTimeoutMillis: 5000,
  ssl: liveTlsOptions({ source: certificates, authorize: backend('postgres') }),
});
pool.on('error', () => {});

/** Whom the database took this agent for, and by which certificate. */
export async function remember(text: string): Promise<Record<string, unknown>> {
  const insert = 'insert into note (text) values ($1) returning id, author';
  const { rows: notes } = await pool.query<{ id: number; author: string }>(insert, [text]);
  const shown =
    'select client_dn, client_serial::text from pg_stat_ssl where pid = pg_backend_pid()';
  const { rows: connections } = await pool.query<Record<string, string>>(shown);
  return { ...notes[0], ...connections[0] };
}
