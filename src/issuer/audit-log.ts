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
    | 'JwtSvidIssued'
    | 'JwtSvidRefused'
    | 'AuthorityChanged';
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

/** A file of JSON lines, continued where the last process stopped. */
export class FileAuditLog implements AuditLog {
  readonly #fd: number;
  readonly #clock: Clock;
  #sequence: number;
  #head: string;

  constructor(path: string, clock: Clock) {
    this.#clock = clock;
    const { O_RDWR, O_APPEND, O_CREAT, O_NOFOLLOW } = constants;
    this.#fd = openSync(path, O_RDWR | O_APPEND | O_CREAT | O_NOFOLLOW, 0o600);
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
    const bytes = Buffer.from(`${lines.join('\n')}\n`);
    try {
      const written = writeSync(this.#fd, bytes);
      if (written !== bytes.length) throw new Error(`wrote ${written} of ${bytes.length} bytes`);
    } catch (thrown) {
      throw new CodedError('unavailable', 'the audit log cannot be written', {
        cause: thrown,
        reason: 'AuditFailed',
      });
    }
    this.#head = head;
    this.#sequence = sequence;
  }

  close(): void {
    fsyncSync(this.#fd);
    closeSync(this.#fd);
  }
}

function digest(line: string): string {
  return hash('sha256', line);
}

// A line cut short by a crash, or by a full disk, is not part of the chain; the next line begins
// after it, and a reader sees where.
function readLastLine(fd: number): string | undefined {
  const { size } = fstatSync(fd);
  const tail = Buffer.alloc(Math.min(size, TAIL_BYTES));
  readSync(fd, tail, 0, tail.length, size - tail.length);
  const text = tail.toString('utf8');
  if (text !== '' && !text.endsWith('\n')) writeSync(fd, '\n');
  return text
    .split('\n')
    .slice(0, text.endsWith('\n') ? undefined : -1)
    .findLast((line) => isWhole(line));
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
