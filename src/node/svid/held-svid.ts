// An SVID in hand and when it has to be renewed: a pure function of its lifetime and of who holds
// it, so that many pods started together do not come back together.

import { createHash } from 'node:crypto';
import type { PodEntry } from '../node-view.ts';
import type { ServedIdentity } from './pod-answer.ts';

export type HeldSvid = {
  readonly entryId: string;
  readonly contentDigest: string;
  readonly spiffeId: string;
  readonly serial: Uint8Array;
  readonly chain: Uint8Array;
  readonly key: Uint8Array;
  readonly notBefore: number;
  readonly notAfter: number;
  readonly renewAt: number;
};

/** Renewal is at half life, early or late by up to a tenth of it. */
const JITTER = 0.1;

/** When to renew: milliseconds since the epoch. */
export function renewAt(receivedAt: number, notAfter: number, holder: string): number {
  const half = (notAfter - receivedAt) / 2;
  const digest = createHash('sha256').update(holder).digest();
  const spread = digest.readUInt32BE(0) / 0xffffffff;
  return receivedAt + Math.round(half * (1 - JITTER + 2 * JITTER * spread));
}

/** Whether an entry needs a new SVID: none fits, it is time, or a clock was set back. */
export function isDue(held: HeldSvid | undefined, entry: PodEntry, now: number): boolean {
  return (
    held === undefined ||
    held.spiffeId !== entry.spiffeId ||
    held.contentDigest !== entry.contentDigest ||
    now >= held.renewAt ||
    now < held.notBefore
  );
}

/** The identity as it is served: undefined when the SVID is another ID's or has expired. */
export function toIdentity(
  held: HeldSvid | undefined,
  entry: PodEntry,
  now: number,
): ServedIdentity | undefined {
  if (held === undefined || held.spiffeId !== entry.spiffeId || now >= held.notAfter) {
    return undefined;
  }
  return {
    entryId: entry.entryId,
    spiffeId: entry.spiffeId,
    hint: entry.hint,
    federatesWith: entry.federatesWith,
    jwtDenied: entry.jwtDenied,
    jwtSingleUse: entry.jwtSingleUse,
    chain: held.chain,
    key: held.key,
    notBefore: held.notBefore,
    notAfter: held.notAfter,
  };
}
