// Audit lines in a file, or in a row of files: one that has grown too large is set aside under a number,
// and the chain goes on in the next. Whatever a crash interrupts, the last whole line is found again.

import {
  closeSync,
  constants,
  fstatSync,
  fsyncSync,
  openSync,
  renameSync,
  writeSync,
} from 'node:fs';
import { hostname } from 'node:os';
import { dirname } from 'node:path';
import type { Clock } from '../base/clock.ts';
import { CodedError } from '../base/errors.ts';
import { AuditChain, type ChainHead, type ChainLine } from './audit-chain.ts';
import { lastHead, nextNumber, setAside, setAsideName } from './audit-files.ts';
import type { AuditEvent, AuditLog } from './audit-log.ts';

/** Writes some of the bytes and says how many, or throws and has written none: `writeSync`. */
export type WriteSome = (fd: number, bytes: Uint8Array) => number;

export type AuditSinkOptions = {
  /** Who writes: the name of the pod; default: of the host. */
  readonly replica?: string;
  /** A file is set aside before it would be larger; default: never. */
  readonly maxBytes?: number;
  readonly write?: WriteSome;
};

/** Written by its owner alone, or it is no evidence. */
const WRITABLE_BY_OTHERS = 0o022;
const { O_RDWR, O_APPEND, O_CREAT, O_EXCL, O_NOFOLLOW } = constants;
const OPEN = O_RDWR | O_APPEND | O_CREAT | O_NOFOLLOW;
const LINE_FEED = 0x0a;

/** A file of JSON lines, continued where the last process stopped. */
export class FileAuditLog implements AuditLog {
  readonly #path: string;
  readonly #clock: Clock;
  readonly #write: WriteSome;
  readonly #maxBytes: number;
  readonly #chain: AuditChain;
  #fd: number;
  #size: number;
  /** The file ends in the middle of a line, which a full disk cut short. */
  #isTorn = false;

  constructor(path: string, clock: Clock, options: AuditSinkOptions = {}) {
    const { replica = hostname(), maxBytes = Number.POSITIVE_INFINITY } = options;
    this.#path = path;
    this.#clock = clock;
    this.#maxBytes = maxBytes;
    this.#write = options.write ?? writeSync;
    this.#fd = openOwned(path, OPEN);
    // A crash between setting one aside and writing into the next leaves nothing to go on from here.
    const after =
      lastHead(this.#fd) ?? setAside(path).findLast(({ head }) => head !== undefined)?.head;
    this.#chain = new AuditChain(replica, after);
    this.#size = fstatSync(this.#fd).size;
  }

  get head(): ChainHead {
    return this.#chain.head;
  }

  append(events: readonly AuditEvent[]): void {
    if (events.length === 0) return;
    const lines = this.#chain.lines(events, this.#clock.now());
    try {
      this.#writeLines(lines);
      // What others keep must not be newer than what a crash would leave here.
      if (events.some(({ event }) => event === 'Checkpoint')) fsyncSync(this.#fd);
    } catch (thrown) {
      throw unwritable(thrown);
    }
  }

  // A full disk takes a part. Whole lines of it are in the chain from then on, though nothing is
  // handed out for them; the next line must not be glued to the part of a line after them.
  #writeLines(lines: readonly ChainLine[]): void {
    const text = `${lines.map((line) => line.text).join('\n')}\n`;
    if (this.#size > 0 && this.#size + text.length > this.#maxBytes) this.#rotate();
    const start = this.#isTorn ? '\n' : '';
    const bytes = Buffer.from(`${start}${text}`);
    const written = this.#write(this.#fd, bytes);
    this.#size += written;
    if (written > 0) this.#isTorn = bytes[written - 1] !== LINE_FEED;
    let end = start.length;
    for (const line of lines) {
      end += Buffer.byteLength(line.text) + 1;
      if (end > written) break;
      this.#chain.take(line);
    }
    if (written < bytes.length) throw new Error(`wrote ${written} of ${bytes.length} bytes`);
  }

  // Where it fails, lines go on where they went: a file that is too large is better than no line.
  #rotate(): void {
    const aside = setAsideName(this.#path, nextNumber(this.#path));
    try {
      fsyncSync(this.#fd);
      renameSync(this.#path, aside);
    } catch {
      return;
    }
    let next: number;
    try {
      next = openOwned(this.#path, OPEN | O_EXCL);
    } catch {
      renameSync(aside, this.#path);
      return;
    }
    closeSync(this.#fd);
    this.#fd = next;
    this.#size = 0;
    this.#isTorn = false;
    syncDirectory(this.#path);
  }

  close(): void {
    try {
      fsyncSync(this.#fd);
    } finally {
      closeSync(this.#fd);
    }
  }
}

export function unwritable(cause: unknown): CodedError {
  return new CodedError('unavailable', 'the audit log cannot be written', {
    cause,
    reason: 'AuditFailed',
  });
}

function openOwned(path: string, flags: number): number {
  const fd = openSync(path, flags, 0o600);
  const stat = fstatSync(fd);
  // A device is for standard output and its like, which have no chain to go on with.
  const isOurs = stat.isCharacterDevice() || (stat.isFile() && stat.uid === process.geteuid?.());
  if (isOurs && (stat.isCharacterDevice() || (stat.mode & WRITABLE_BY_OTHERS) === 0)) return fd;
  closeSync(fd);
  throw new CodedError('failed-precondition', 'audit log: not a file that we alone may write');
}

function syncDirectory(path: string): void {
  const fd = openSync(dirname(path), constants.O_RDONLY);
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}
