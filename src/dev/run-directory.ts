// Where a dev run keeps what a restart must find again: authorities, the kubelet-shaped tree, the
// audit log, and a short link to each pod's socket. It belongs to one user and one process.

import { createHash } from 'node:crypto';
import {
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join, resolve } from 'node:path';
import { type CodedError, invalid } from '../base/errors.ts';
import { MAX_SOCKET_PATH_BYTES } from '../node/volume/hidden-listener.ts';
import { PUBLIC_SOCKET } from '../node/volume/volume-directory.ts';
import type { TrustDomain } from '../spiffe/spiffe-id.ts';

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
  #lock = '';

  private constructor(path: string) {
    this.path = path;
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
    directory.#lock = directory.#takeLock();
    for (const name of ['kubelet/pods', 'kubelet/plugins_registry', 'pods']) {
      mkdirSync(join(path, name), { recursive: true, mode: 0o700 });
    }
    return directory;
  }

  get kubelet(): string {
    return join(this.path, 'kubelet');
  }

  /** Each trust domain has authorities of its own: an edit that renames it starts anew. */
  authoritiesOf(trustDomain: TrustDomain): string {
    return join(this.path, `authorities-${trustDomain}`);
  }

  /** Bundles of other trust domains, as they were fetched. */
  federatedBundlesOf(trustDomain: TrustDomain): string {
    return join(this.path, `federated-bundles-${trustDomain}.json`);
  }

  get auditLog(): string {
    return join(this.path, 'audit.jsonl');
  }

  /** PEM of what clients of the run's HTTPS listeners trust. */
  get servingAuthorities(): string {
    return join(this.path, 'serving-ca.pem');
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
    const draft = join(this.path, 'link');
    rmSync(draft, { force: true });
    symlinkSync(volumeDirectory, draft);
    // A workload of an earlier run may dial at any moment: there is always one or the other.
    renameSync(draft, link);
    return join(link, PUBLIC_SOCKET);
  }

  unlinkSocket(pod: { namespace: string; name: string }): void {
    rmSync(join(this.path, 'pods', linkName(pod)), { force: true });
  }

  /** Removes links of an earlier run to volumes that are gone. */
  unlinkDangling(): void {
    const links = join(this.path, 'pods');
    for (const name of readdirSync(links)) {
      if (!existsSync(join(links, name))) rmSync(join(links, name), { force: true });
    }
  }

  /** Lets the next process in. Everything else stays. */
  close(): void {
    if (existsSync(this.#lock)) truncateSync(this.#lock);
  }

  // Locks are numbered and the highest one counts; it is left there when its process ends, so numbers
  // only rise. A lock appears whole, by link(2), which never replaces: of several processes that find
  // the same one left behind, one makes the next. One that comes late finds a higher number.
  #takeLock(): string {
    const own = join(this.path, `claim-${process.pid}`);
    rmSync(own, { force: true });
    try {
      writeFileSync(own, `${process.pid} ${startTime(process.pid)}\n`, { mode: 0o600, flag: 'wx' });
      const last = this.#lastLock();
      this.#refuseWhileHeld(readLock(this.#lockPath(last)));
      const number = last + 1;
      linkSync(own, this.#lockPath(number));
      if (this.#lastLock() > number) {
        rmSync(this.#lockPath(number), { force: true });
        throw this.#inUse('another process');
      }
      for (const older of this.#locks()) {
        if (older < number) rmSync(this.#lockPath(older), { force: true });
      }
      return this.#lockPath(number);
    } catch (thrown) {
      throw isExisting(thrown) ? this.#inUse('another process') : thrown;
    } finally {
      rmSync(own, { force: true });
    }
  }

  #locks(): readonly number[] {
    return readdirSync(this.path).flatMap((name) => {
      const number = /^lock-([1-9][0-9]{0,14})$/.exec(name)?.[1];
      return number === undefined ? [] : [Number(number)];
    });
  }

  #lastLock(): number {
    return Math.max(0, ...this.#locks());
  }

  #lockPath(number: number): string {
    return join(this.path, `lock-${number}`);
  }

  // A lock that was given up is empty; one that a full disk cut short is nobody's.
  #refuseWhileHeld(text: string | undefined): void {
    const [pid = '', start] = (text ?? '').trim().split(' ');
    if (!/^[1-9][0-9]*$/.test(pid) || start === undefined || start !== startTime(pid)) return;
    throw this.#inUse(`process ${pid}`);
  }

  #inUse(by: string): CodedError {
    return invalid(`--run-dir: ${this.path} is in use by ${by}`);
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
function startTime(pid: number | string): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19];
  } catch {
    return undefined;
  }
}

function readLock(path: string): string | undefined {
  try {
    return readFileSync(path, 'latin1');
  } catch {
    return undefined;
  }
}

function isExisting(thrown: unknown): boolean {
  return thrown instanceof Error && 'code' in thrown && thrown.code === 'EEXIST';
}
