// Audit lines on standard output, for a collector that keeps what containers print. The chain begins
// with each process; what a collector lost shows as a gap.

import { writeSync } from 'node:fs';
import { hostname } from 'node:os';
import type { Clock } from '../base/clock.ts';
import { AuditChain, type ChainHead } from './audit-chain.ts';
import type { AuditEvent, AuditLog } from './audit-log.ts';
import {
  type AuditSinkOptions,
  FileAuditLog,
  unwritable,
  type WriteSome,
} from './file-audit-log.ts';

const STANDARD_OUTPUT = 1;
const PATIENCE_MS = 5000;
const PAUSE_MS = 5;

/** Opens where lines go: a file, or `-` for standard output. */
export function openAuditLog(path: string, clock: Clock, options: AuditSinkOptions = {}): AuditLog {
  return path === '-'
    ? new StreamAuditLog(STANDARD_OUTPUT, clock, options)
    : new FileAuditLog(path, clock, options);
}

/** Lines into a pipe that somebody else keeps: one write a line, so that lines of others never split one. */
export class StreamAuditLog implements AuditLog {
  readonly #fd: number;
  readonly #clock: Clock;
  readonly #write: WriteSome;
  readonly #chain: AuditChain;
  #isTorn = false;

  constructor(fd: number, clock: Clock, options: AuditSinkOptions = {}) {
    this.#fd = fd;
    this.#clock = clock;
    this.#write = options.write ?? writeSync;
    this.#chain = new AuditChain(options.replica ?? hostname());
  }

  get head(): ChainHead {
    return this.#chain.head;
  }

  append(events: readonly AuditEvent[]): void {
    for (const line of this.#chain.lines(events, this.#clock.now())) {
      try {
        this.#writeAll(Buffer.from(`${this.#isTorn ? '\n' : ''}${line.text}\n`));
      } catch (thrown) {
        throw unwritable(thrown);
      }
      this.#chain.take(line);
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
