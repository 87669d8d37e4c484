// The chain that lines are in: each names the digest of the one before it, its own number, and the
// chain. A chain belongs to one writer; a new one begins where there is nothing to go on from.

import { hash, randomBytes } from 'node:crypto';
import type { AuditEvent } from './audit-log.ts';

/** What the next line follows. */
export type ChainHead = {
  /** 32 hex digits, at random. */
  readonly chain: string;
  readonly sequence: number;
  /** SHA-256 of the last line, in hex. */
  readonly hash: string;
  readonly replica: string;
};

export type ChainLine = { readonly text: string; readonly head: ChainHead };

/** A line as a reader finds it. */
export type AuditLine = {
  readonly chain: string;
  readonly sequence: number;
  readonly time: string;
  readonly event: string;
  readonly previous: string;
  readonly fields: Readonly<Record<string, unknown>>;
};

/** What the first line follows. */
export const GENESIS = '0'.repeat(64);
/** By how much the clocks of writers, and of nodes, may differ. */
export const MAX_SKEW_MS = 300_000;
const CHAIN_BYTES = 16;
const CHAIN = /^[0-9a-f]{32}$/;
const DIGEST = /^[0-9a-f]{64}$/;

export class AuditChain {
  #head: ChainHead;

  /** Goes on after a line that is there already, or begins anew. */
  constructor(replica: string, after?: Omit<ChainHead, 'replica'>) {
    const chain = randomBytes(CHAIN_BYTES).toString('hex');
    this.#head = { chain, sequence: 0, hash: GENESIS, ...after, replica };
  }

  get head(): ChainHead {
    return this.#head;
  }

  /** Lines for the events, to be written in this order and then taken; the first line says who writes. */
  lines(events: readonly AuditEvent[], now: number): readonly ChainLine[] {
    const [first] = events;
    if (first === undefined) return [];
    const time = new Date(now).toISOString();
    let head = this.#head;
    const { trustDomain } = first;
    const start: readonly AuditEvent[] =
      head.sequence > 0 ? [] : [{ event: 'ChainStarted', trustDomain, replica: head.replica }];
    return [...start, ...events].map((event) => {
      const { chain, replica } = head;
      const sequence = head.sequence + 1;
      const text = JSON.stringify({ chain, sequence, time, ...event, previous: head.hash });
      head = { chain, sequence, hash: digest(text), replica };
      return { text, head };
    });
  }

  /** The line is written: it is in the chain, whatever becomes of those after it. */
  take({ head }: ChainLine): void {
    this.#head = head;
  }
}

export function digest(line: string): string {
  return hash('sha256', line);
}

/** Undefined for what is no audit line: a log line, or what a crash left of one. */
export function readLine(text: string): AuditLine | undefined {
  if (!text.startsWith('{"chain":')) return undefined;
  try {
    const fields = JSON.parse(text) as Readonly<Record<string, unknown>>;
    const { chain, sequence, time, event, previous } = fields;
    if (typeof chain !== 'string' || !CHAIN.test(chain)) return undefined;
    if (typeof previous !== 'string' || !DIGEST.test(previous)) return undefined;
    if (typeof sequence !== 'number' || !Number.isSafeInteger(sequence) || sequence < 1) {
      return undefined;
    }
    if (typeof event !== 'string' || typeof time !== 'string') return undefined;
    return { chain, sequence, time, event, previous, fields };
  } catch {
    return undefined;
  }
}

/** What follows a line that is there. */
export function headAfter(text: string): Omit<ChainHead, 'replica'> | undefined {
  const line = readLine(text);
  if (line === undefined) return undefined;
  return { chain: line.chain, sequence: line.sequence, hash: digest(text) };
}
