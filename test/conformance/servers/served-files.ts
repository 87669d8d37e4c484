// A directory as files mode keeps it, for a server under test, and the files of an example beside it.

import { type ChildProcess, spawn } from 'node:child_process';
import {
  chownSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseAllDocuments } from 'yaml';
import { formatPemCertificate, formatPemCrl } from '../../../src/spiffe/pem.ts';
import type { TestCa, TestSvid } from '../../fakes/test-ca.ts';
import { crlOf } from '../../fakes/test-crl.ts';

const EXAMPLES = join(import.meta.dirname, '../../../manifests/examples');
/** Servers that refuse to run as root run as this user, who owns nothing else. */
export const NOBODY = 65_534;

export const NOT_ROOT =
  process.getuid?.() === 0 ? ({ uid: NOBODY, gid: NOBODY } as const) : ({} as const);

/** A root, and the intermediate that signs. */
export type Authorities = { readonly root: TestCa; readonly intermediate: TestCa };

export class ServedFiles {
  readonly root = mkdtempSync(join(tmpdir(), 'signet-served-'));
  readonly directory = join(this.root, 'spiffe-files');
  readonly #authorities: Authorities;
  readonly #svid: TestSvid;
  #sets = 0;
  #running: ChildProcess | undefined;

  constructor(authorities: Authorities, svid: TestSvid) {
    this.#authorities = authorities;
    this.#svid = svid;
    mkdirSync(this.directory);
    this.#own(this.root, this.directory);
  }

  /** A new set, with these certificates on the intermediate's list; it is there at once or not at all. */
  write(revoked: readonly TestSvid[]): void {
    const { root, intermediate } = this.#authorities;
    this.#sets += 1;
    const set = `..${this.#sets}`;
    const { chain, privateKey } = this.#svid;
    const lists = [crlOf(intermediate, revoked), crlOf(root, [])];
    const files = {
      'tls.crt': chain.map(formatPemCertificate).join(''),
      'tls.key': privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
      'ca.crt': formatPemCertificate(root.certificate),
      'crl.pem': lists.map(formatPemCrl).join(''),
    };
    mkdirSync(join(this.directory, set));
    this.#own(join(this.directory, set));
    for (const [name, text] of Object.entries(files)) {
      const path = join(this.directory, set, name);
      writeFileSync(path, text, { mode: 0o600 });
      this.#own(path);
      if (!existsSync(join(this.directory, name))) {
        symlinkSync(join('..data', name), join(this.directory, name));
      }
    }
    symlinkSync(set, join(this.directory, '..new'));
    renameSync(join(this.directory, '..new'), join(this.directory, '..data'));
  }

  /** What the ConfigMap of an example has, written down after `change`; returns the directory. */
  writeExample(example: string, change: (text: string) => string): string {
    const directory = join(this.root, 'example');
    mkdirSync(directory);
    for (const [name, text] of Object.entries(configMapOf(example))) {
      writeFileSync(join(directory, name), change(text));
    }
    return directory;
  }

  /** Runs the example's script, until `stop`; what it says is handed on when it ends by itself. */
  start(args: readonly string[], env: Readonly<Record<string, string>>, user = {}): ChildProcess {
    const running = spawn('sh', args, {
      env: { PATH: searchPath(), SPIFFE_FILES: this.directory, ...env },
      cwd: this.root,
      stdio: ['ignore', 'pipe', 'pipe'],
      ...user,
    });
    this.#running = running;
    return running;
  }

  async stop(): Promise<void> {
    const running = this.#running;
    if (running !== undefined && running.exitCode === null) {
      const ended = new Promise((resolve) => running.once('exit', resolve));
      running.kill('SIGTERM');
      await ended;
    }
    rmSync(this.root, { recursive: true, force: true });
  }

  #own(...paths: readonly string[]): void {
    if ('uid' in NOT_ROOT) for (const path of paths) chownSync(path, NOBODY, NOBODY);
  }
}

function configMapOf(example: string): Readonly<Record<string, string>> {
  const [name = ''] = readdirSync(join(EXAMPLES, example));
  const documents = parseAllDocuments(readFileSync(join(EXAMPLES, example, name), 'utf8'));
  const objects = documents.map((each) => each.toJS() as { kind?: string; data?: object });
  const map = objects.find(({ kind }) => kind === 'ConfigMap');
  return (map?.data ?? {}) as Record<string, string>;
}

/** Debian keeps PostgreSQL's programs out of the usual folders, and nginx among the administrator's. */
export function searchPath(): string {
  const postgres = '/usr/lib/postgresql';
  const versions = existsSync(postgres) ? readdirSync(postgres) : [];
  const more = versions.map((version) => join(postgres, version, 'bin'));
  return [...more, process.env['PATH'] ?? '', '/usr/sbin', '/usr/bin', '/bin'].join(':');
}

export function isInstalled(program: string): boolean {
  return searchPath()
    .split(':')
    .some((folder) => existsSync(join(folder, program)));
}

/** Never skipped where everything has to be there. */
export function skipWithout(...programs: readonly string[]): string | false {
  const missing = programs.filter((program) => !isInstalled(program));
  return missing.length === 0 || process.env['CI'] === 'true' ? false : `no ${missing.join(', ')}`;
}
