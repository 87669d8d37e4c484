// One line for every credential, written before the credential leaves the process: no line, no
// credential. Lines are chained by hash, so an edited or missing line in the middle shows.

import { hash } from 'node:crypto';
import { closeSync, constants, fstatSync, fsyncSync, openSync, readSync, writeSync } from 'node:fs';
import type { Clock } from '../base/clock.ts';
import { CodedError } from '../base/errors.ts';

/** What happened. Never a key, a token or a certificate body. */
export type AuditEvent = {
  readonly event:
    | 'X509SvidIssued'
    | 'X509SvidRefused'
    | 'X509SvidRevoked'
    | 'JwtSvidIssued'
    | 'JwtSvidRefused'
    | 'AuthorityChanged'
    | 'StateRolledBack';
  readonly trustDomain: string;
  readonly node?: string;
  /** Which plugin asked: the credential id of its token. */
  readonly caller?: string;
  readonly podUid?: string;
  readonly pod?: string;
  readonly entryId?: string;
  readonly policy?: string;
  readonly spiffeId?: string;
  /** Lower-case hex. */
  readonly serial?: string;
  readonly keyDigest?: string;
  /** SHA-256 of a JWT-SVID, and its audiences. */
  readonly tokenDigest?: string;
  readonly audience?: readonly string[];
  readonly authorityId?: string;
  readonly notAfter?: string;
  readonly reason?: string;
  readonly detail?: string;
};

/** Where lines go, all or nothing. */
export type AuditLog = {
  /** Throws `unavailable` when the lines could not be written; then nothing may be handed out. */
  append(events: readonly AuditEvent[]): void;
  close(): void;
};

/** What the first line follows. */
export const GENESIS = '0'.repeat(64);
const TAIL_BYTES = 64 * 1024;
/** Written by its owner alone, or it is no evidence. */
const WRITABLE_BY_OTHERS = 0o022;

/** Writes some of the bytes and says how many, or throws and has written none: `writeSync`. */
export type WriteSome = (fd: number, bytes: Uint8Array) => number;

/** A file of JSON lines, continued where the last process stopped. */
export class FileAuditLog implements AuditLog {
  readonly #fd: number;
  readonly #clock: Clock;
  readonly #write: WriteSome;
  #sequence: number;
  #head: string;
  /** The file ends in the middle of a line, which a full disk cut short. */
  #isTorn = false;

  constructor(path: string, clock: Clock, write: WriteSome = writeSync) {
    this.#clock = clock;
    this.#write = write;
    const { O_RDWR, O_APPEND, O_CREAT, O_NOFOLLOW } = constants;
    this.#fd = openSync(path, O_RDWR | O_APPEND | O_CREAT | O_NOFOLLOW, 0o600);
    checkOwned(this.#fd);
    const last = readLastLine(this.#fd);
    this.#head = last === undefined ? GENESIS : digest(last);
    this.#sequence = last === undefined ? 0 : sequenceOf(last);
  }

  append(events: readonly AuditEvent[]): void {
    if (events.length === 0) return;
    let head = this.#head;
    let sequence = this.#sequence;
    const time = new Date(this.#clock.now()).toISOString();
    const lines = events.map((event) => {
      sequence += 1;
      const line = JSON.stringify({ sequence, time, ...event, previous: head });
      head = digest(line);
      return line;
    });
    try {
      this.#writeLines(lines);
    } catch (thrown) {
      throw new CodedError('unavailable', 'the audit log cannot be written', {
        cause: thrown,
        reason: 'AuditFailed',
      });
    }
    this.#head = head;
    this.#sequence = sequence;
  }

  // A full disk takes a part. Whole lines of it are in the chain from then on, though nothing is
  // handed out for them; the next line must not be glued to the part of a line after them.
  #writeLines(lines: readonly string[]): void {
    const start = this.#isTorn ? '\n' : '';
    const bytes = Buffer.from(`${start}${lines.join('\n')}\n`);
    const written = this.#write(this.#fd, bytes);
    if (written > 0) this.#isTorn = bytes[written - 1] !== LINE_FEED;
    if (written === bytes.length) return;
    let end = start.length;
    for (const line of lines) {
      end += Buffer.byteLength(line) + 1;
      if (end > written) break;
      this.#head = digest(line);
      this.#sequence += 1;
    }
    throw new Error(`wrote ${written} of ${bytes.length} bytes`);
  }

  close(): void {
    try {
      fsyncSync(this.#fd);
    } finally {
      closeSync(this.#fd);
    }
  }
}

const LINE_FEED = 0x0a;

function checkOwned(fd: number): void {
  const stat = fstatSync(fd);
  // A device is for standard output and its like, which have no chain to go on with.
  const isOurs = stat.isCharacterDevice() || (stat.isFile() && stat.uid === process.geteuid?.());
  if (isOurs && (stat.isCharacterDevice() || (stat.mode & WRITABLE_BY_OTHERS) === 0)) return;
  closeSync(fd);
  throw new CodedError('failed-precondition', 'audit log: not a file that we alone may write');
}

export function digest(line: string): string {
  return hash('sha256', line);
}

// A line cut short by a crash, or by a full disk, is not part of the chain; the next line begins
// after it, and a reader sees where. However long lines are, the last one is found: a chain that
// began anew would hide what was before.
function readLastLine(fd: number): string | undefined {
  const { size } = fstatSync(fd);
  for (let bytes = TAIL_BYTES; ; bytes *= 4) {
    const tail = Buffer.alloc(Math.min(size, bytes));
    readSync(fd, tail, 0, tail.length, size - tail.length);
    const text = tail.toString('utf8');
    const lines = text.split('\n').slice(tail.length < size ? 1 : 0, -1);
    const last = lines.findLast((line) => isWhole(line));
    if (last === undefined && tail.length < size) continue;
    if (text !== '' && !text.endsWith('\n')) writeSync(fd, '\n');
    return last;
  }
}

function isWhole(line: string): boolean {
  return line !== '' && Number.isSafeInteger(sequenceOf(line));
}

function sequenceOf(line: string): number {
  try {
    const value: unknown = JSON.parse(line);
    return typeof value === 'object' && value !== null && 'sequence' in value
      ? Number(value.sequence)
      : Number.NaN;
  } catch {
    return Number.NaN;
  }
}
