// Audit lines on standard output, for a collector that keeps what containers print. The chain begins
// with each process; what a collector lost shows as a gap.

import { writeSync } from 'node:fs';
import type { Clock } from '../base/clock.ts';
import { CodedError } from '../base/errors.ts';
import {
  type AuditEvent,
  type AuditLog,
  digest,
  FileAuditLog,
  GENESIS,
  type WriteSome,
} from './audit-log.ts';

const STANDARD_OUTPUT = 1;
const PATIENCE_MS = 5000;
const PAUSE_MS = 5;

/** Opens where lines go: a file, or `-` for standard output. */
export function openAuditLog(path: string, clock: Clock): AuditLog {
  return path === '-' ? new StreamAuditLog(STANDARD_OUTPUT, clock) : new FileAuditLog(path, clock);
}

/** Lines into a pipe that somebody else keeps: one write a line, so that lines of others never split one. */
export class StreamAuditLog implements AuditLog {
  readonly #fd: number;
  readonly #clock: Clock;
  readonly #write: WriteSome;
  #sequence = 0;
  #head = GENESIS;
  #isTorn = false;

  constructor(fd: number, clock: Clock, write: WriteSome = writeSync) {
    this.#fd = fd;
    this.#clock = clock;
    this.#write = write;
  }

  append(events: readonly AuditEvent[]): void {
    const time = new Date(this.#clock.now()).toISOString();
    for (const event of events) {
      const sequence = this.#sequence + 1;
      const line = JSON.stringify({ sequence, time, ...event, previous: this.#head });
      try {
        this.#writeAll(Buffer.from(`${this.#isTorn ? '\n' : ''}${line}\n`));
      } catch (thrown) {
        throw new CodedError('unavailable', 'the audit log cannot be written', {
          cause: thrown,
          reason: 'AuditFailed',
        });
      }
      this.#head = digest(line);
      this.#sequence = sequence;
    }
  }

  // A reader that is slow is waited for, for a while: the process must not go on without its line.
  #writeAll(bytes: Uint8Array): void {
    const end = performance.now() + PATIENCE_MS;
    let written = 0;
    while (written < bytes.length) {
      try {
        written += this.#write(this.#fd, bytes.subarray(written));
        this.#isTorn = written < bytes.length;
      } catch (thrown) {
        const isFull = thrown instanceof Error && 'code' in thrown && thrown.code === 'EAGAIN';
        if (!isFull || performance.now() > end) throw thrown;
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, PAUSE_MS);
      }
    }
  }

  close(): void {}
}
