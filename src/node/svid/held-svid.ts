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
  /** Name of the root that verifiers find it by. */
  readonly rootName: string;
  /** By this node's clock, which need not be the issuer's. */
  readonly receivedAt: number;
  readonly renewAt: number;
};

type Validity = Pick<HeldSvid, 'notBefore' | 'notAfter'>;

/** Renewal is at half life, early or late by up to a tenth of it. */
const JITTER = 0.1;
/** A clock that is only being corrected may go back by this much. */
const CLOCK_SLACK_MS = 60_000;

/**
 * When to renew: milliseconds since the epoch. What is left is never taken for longer than the whole
 * life, else a node whose clock is behind would come back after the SVID has ended.
 */
export function renewAt(receivedAt: number, validity: Validity, holder: string): number {
  const { notBefore, notAfter } = validity;
  const half = Math.min(notAfter - receivedAt, notAfter - notBefore) / 2;
  const digest = createHash('sha256').update(holder).digest();
  const spread = digest.readUInt32BE(0) / 0xffffffff;
  return receivedAt + Math.round(half * (1 - JITTER + 2 * JITTER * spread));
}

/**
 * Whether an entry needs a new SVID: none fits, it is time, or the clock was set back since it came.
 * Not compared with `notBefore`: a node whose clock is behind the issuer's would ask for ever.
 */
export function isDue(held: HeldSvid | undefined, entry: PodEntry, now: number): boolean {
  return (
    held === undefined ||
    held.spiffeId !== entry.spiffeId ||
    held.contentDigest !== entry.contentDigest ||
    now >= held.renewAt ||
    now < held.receivedAt - CLOCK_SLACK_MS
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
    sdsDenied: entry.sdsDenied,
    chain: held.chain,
    key: held.key,
    notBefore: held.notBefore,
    notAfter: held.notAfter,
  };
}
