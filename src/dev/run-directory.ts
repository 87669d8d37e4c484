// Where a dev run keeps what a restart must find again: authorities, the kubelet-shaped tree, the
// audit log, and a short link to each pod's socket. It belongs to one user and one process.

import { createHash } from 'node:crypto';
import {
  closeSync,
  constants,
  lstatSync,
  mkdirSync,
  openSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeSync,
} from 'node:fs';
import { join, resolve } from 'node:path';
import { invalid } from '../base/errors.ts';
import { MAX_SOCKET_PATH_BYTES } from '../node/volume/hidden-listener.ts';
import { PUBLIC_SOCKET } from '../node/volume/volume-directory.ts';

export type RunDirectoryOptions = {
  /** The manifests' directory: the default run directory is derived from it. */
  readonly manifests: string;
  readonly runDir?: string | undefined;
  /** `$XDG_RUNTIME_DIR`, or the temporary directory. */
  readonly base: string;
};

/** The longest path below the run directory that a client dials by name. */
const LONGEST_TAIL = '/kubelet/plugins/signet.dev/csi.spiffe.io/csi.sock';
const MAX_LINK_NAME = 40;

export class RunDirectory {
  readonly path: string;
  readonly #lock: string;

  private constructor(path: string) {
    this.path = path;
    this.#lock = join(path, 'lock');
  }

  /** Makes or takes up a run directory; throws `invalid-argument` naming what is wrong with it. */
  static open(options: RunDirectoryOptions): RunDirectory {
    const path = resolve(options.runDir ?? defaultPath(options));
    if (Buffer.byteLength(path) + LONGEST_TAIL.length > MAX_SOCKET_PATH_BYTES) {
      const most = MAX_SOCKET_PATH_BYTES - LONGEST_TAIL.length;
      throw invalid(
        `--run-dir: ${path} is longer than ${most} bytes, too long for sockets below it`,
      );
    }
    mkdirSync(path, { recursive: true, mode: 0o700 });
    requirePrivate(path);
    const directory = new RunDirectory(path);
    directory.#takeLock();
    for (const name of ['kubelet/pods', 'kubelet/plugins_registry', 'pods']) {
      mkdirSync(join(path, name), { recursive: true, mode: 0o700 });
    }
    return directory;
  }

  get kubelet(): string {
    return join(this.path, 'kubelet');
  }

  get authorities(): string {
    return join(this.path, 'authorities');
  }

  get auditLog(): string {
    return join(this.path, 'audit.jsonl');
  }

  get issuerSocket(): string {
    return join(this.path, 'issuer.sock');
  }

  /**
   * Links a pod's volume under a short name and returns the path of its socket there, at most 107
   * bytes long.
   */
  linkSocket(pod: { namespace: string; name: string }, volumeDirectory: string): string {
    const link = join(this.path, 'pods', linkName(pod));
    rmSync(link, { force: true });
    symlinkSync(volumeDirectory, link);
    return join(link, PUBLIC_SOCKET);
  }

  unlinkSocket(pod: { namespace: string; name: string }): void {
    rmSync(join(this.path, 'pods', linkName(pod)), { force: true });
  }

  /** Lets the next process in. Everything else stays. */
  close(): void {
    rmSync(this.#lock, { force: true });
  }

  #takeLock(): void {
    const { O_WRONLY, O_CREAT, O_EXCL, O_NOFOLLOW } = constants;
    const holder = readHolder(this.#lock);
    if (holder !== undefined && holder.start === startTime(holder.pid)) {
      throw invalid(`--run-dir: ${this.path} is in use by process ${holder.pid}`);
    }
    rmSync(this.#lock, { force: true });
    const fd = openSync(this.#lock, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0o600);
    writeSync(fd, `${process.pid} ${startTime(process.pid)}\n`);
    closeSync(fd);
  }
}

function defaultPath({ manifests, base }: RunDirectoryOptions): string {
  const name = createHash('sha256').update(realpathSync(manifests)).digest('hex').slice(0, 10);
  return join(base, `signet-${process.getuid?.() ?? 0}-${name}`);
}

function requirePrivate(path: string): void {
  const stat = lstatSync(path);
  if (!stat.isDirectory()) throw invalid(`--run-dir: ${path} is not a directory`);
  if (stat.uid !== process.getuid?.()) throw invalid(`--run-dir: ${path} belongs to another user`);
  if ((stat.mode & 0o077) !== 0) {
    throw invalid(`--run-dir: ${path} is open to other users; make it mode 0700`);
  }
}

function linkName({ namespace, name }: { namespace: string; name: string }): string {
  const full = `${namespace}.${name}`;
  if (full.length <= MAX_LINK_NAME) return full;
  const hash = createHash('sha256').update(full).digest('hex').slice(0, 8);
  return `${full.slice(0, MAX_LINK_NAME - 9)}-${hash}`;
}

// A process id alone may be somebody else's by now; with its start time it is one process.
function startTime(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19];
  } catch {
    return undefined;
  }
}

function readHolder(lock: string): { pid: number; start: string | undefined } | undefined {
  try {
    const [pid = '', start] = readFileSync(lock, 'latin1').trim().split(' ');
    return { pid: Number(pid), start };
  } catch {
    return undefined;
  }
}
