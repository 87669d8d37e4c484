// A PostgreSQL server of the machine's own packages, on loopback, that takes client certificates alone.

import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { chownSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { formatPemCertificate } from '../../../src/spiffe/pem.ts';
import type { TestCa, TestSvid } from '../../fakes/test-ca.ts';

/** The server refuses to run as root; this user owns nothing else. */
const NOBODY = 65_534;

export class PostgresServer {
  readonly port: number;
  readonly #directory: string;
  readonly #process: ChildProcess;

  private constructor(directory: string, port: number, running: ChildProcess) {
    this.#directory = directory;
    this.port = port;
    this.#process = running;
  }

  /** Undefined where there is no PostgreSQL. */
  static async start(ca: TestCa, svid: TestSvid): Promise<PostgresServer | undefined> {
    const initdb = which('initdb');
    const postgres = which('postgres');
    if (initdb === undefined || postgres === undefined) return undefined;
    const directory = mkdtempSync(join(tmpdir(), 'signet-postgres-'));
    const data = join(directory, 'data');
    mkdirSync(data, { mode: 0o700 });
    const user = process.getuid?.() === 0 ? { uid: NOBODY, gid: NOBODY } : {};
    if ('uid' in user) for (const path of [directory, data]) chownSync(path, NOBODY, NOBODY);
    const env = { PATH: process.env['PATH'] ?? '', LC_ALL: 'C', TZ: 'UTC' };
    const options = { ...user, env, cwd: directory };
    const init = ['-D', data, '-U', 'agent', '--auth=reject', '--no-sync', '--no-instructions'];
    execFileSync(initdb, init, { ...options, stdio: 'pipe' });
    const pem = (certificates: readonly Uint8Array[]) =>
      certificates.map(formatPemCertificate).join('');
    const files = {
      'server.crt': pem(svid.chain),
      'server.key': svid.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
      'root.crt': pem([ca.certificate]),
      'pg_hba.conf': 'hostssl all agent 127.0.0.1/32 trust clientcert=verify-ca\n',
    };
    for (const [name, text] of Object.entries(files)) {
      writeFileSync(join(data, name), text, { mode: 0o600 });
      if ('uid' in user) chownSync(join(data, name), NOBODY, NOBODY);
    }
    const port = await freePort();
    const settings = {
      ssl: 'on',
      ssl_ca_file: 'root.crt',
      listen_addresses: '127.0.0.1',
      port: String(port),
      unix_socket_directories: '',
      fsync: 'off',
    };
    const flags = Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
    const running = spawn(postgres, ['-D', data, ...flags], {
      ...options,
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    await ready(running);
    return new PostgresServer(directory, port, running);
  }

  async stop(): Promise<void> {
    const ended = new Promise((resolve) => this.#process.once('exit', resolve));
    this.#process.kill('SIGINT');
    await ended;
    rmSync(this.#directory, { recursive: true, force: true });
  }
}

function which(program: string): string | undefined {
  const folders = (process.env['PATH'] ?? '').split(':');
  for (const path of folders.map((folder) => join(folder, program))) {
    try {
      readFileSync(path);
      return path;
    } catch {
      // Not in this one.
    }
  }
  return undefined;
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

async function ready(running: ChildProcess): Promise<void> {
  let log = '';
  for await (const part of running.stderr ?? []) {
    log += String(part);
    if (log.includes('ready to accept connections')) {
      running.stderr?.resume();
      return;
    }
  }
  throw new Error(`PostgreSQL did not start:\n${log}`);
}
