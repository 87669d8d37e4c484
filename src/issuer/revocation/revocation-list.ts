// Which certificates are revoked, as a pure function: what was written down before, what is suspended
// now and who holds certificates of it. Entries end with their certificate; those that are only held
// end with the suspension, and only where this view is as new as the one that wrote them.

import type { RevokedCertificate } from '../../authorities/revocation-document.ts';
import { normalSerial } from '../../spiffe/crl/crl.ts';
import type { HeldSerial } from '../held-inventory.ts';
import type { Suspension } from '../pod-source.ts';

/** Some 600 KiB of document with its lists, of the mebibyte that an object may have. */
export const MAX_REVOKED = 4000;
/** Of them, for what no issuer knows to have signed: a node's word fills no list. */
export const MAX_REPORTED = MAX_REVOKED / 2;
/** Verifiers' clocks may be behind: an entry outlives its certificate by this. */
const KEEP_SECONDS = 600;
/** The end of the year 9999. */
const MAX_SECONDS = Date.UTC(10_000, 0) / 1000 - 1;
/** Of the restrictions of one entry that are remembered. */
const MAX_NAMES = 8;

export type SuspendedCertificate = {
  readonly held: HeldSerial;
  /** Not empty. */
  readonly by: readonly Suspension[];
};

export type ListChange = {
  readonly before: readonly RevokedCertificate[];
  readonly suspended: readonly SuspendedCertificate[];
  /** Names of all that suspend now; undefined where this view may be older than the last writer's. */
  readonly inForce: ReadonlySet<string> | undefined;
  /** Milliseconds since the epoch. */
  readonly now: number;
};

export type ListNow = {
  /** The same object when nothing has changed. */
  readonly revoked: readonly RevokedCertificate[];
  readonly added: readonly SuspendedCertificate[];
  /** How many had no room. */
  readonly left: number;
  /** How many no list can have, by number or date: left out, so that one costs the others nothing. */
  readonly unsignable: number;
};

export function nextRevoked({ before, suspended, inForce, now }: ListChange): ListNow {
  const seconds = Math.floor(now / 1000);
  const entries = new Map<string, RevokedCertificate>();
  let unsignable = 0;
  for (const entry of before) {
    if (entry.notAfter + KEEP_SECONDS <= seconds) continue;
    const kept = withoutLifted(entry, inForce);
    if (kept === undefined) continue;
    if (isSignable(entry) && !entries.has(entry.serial)) entries.set(entry.serial, kept);
    else unsignable += 1;
  }
  const added: SuspendedCertificate[] = [];
  let left = 0;
  let reported = [...entries.values()].filter(({ authority }) => authority === undefined).length;
  for (const one of suspended.toSorted(ownFirst)) {
    const { serial, isReported = false } = one.held;
    const known = entries.get(serial);
    const isFull = entries.size >= MAX_REVOKED || (isReported && reported >= MAX_REPORTED);
    if (known !== undefined) entries.set(serial, merge(known, one));
    else if (normalSerial(serial) !== serial) unsignable += 1;
    else if (isFull) left += 1;
    else {
      entries.set(serial, newEntry(one, seconds));
      added.push(one);
      if (isReported) reported += 1;
    }
  }
  const after = [...entries.values()];
  const isSame = after.length === before.length && after.every((one, at) => one === before[at]);
  return { revoked: isSame ? before : after, added, left, unsignable };
}

// What issuers signed themselves has its place whatever nodes say.
function ownFirst({ held: a }: SuspendedCertificate, { held: b }: SuspendedCertificate): number {
  return Number(a.isReported ?? false) - Number(b.isReported ?? false);
}

function isSignable({ serial, revokedAt }: RevokedCertificate): boolean {
  return normalSerial(serial) === serial && revokedAt >= 0 && revokedAt <= MAX_SECONDS;
}

// What was revoked for good stays, whoever lifts what: its process may long be another's.
function withoutLifted(
  entry: RevokedCertificate,
  inForce: ReadonlySet<string> | undefined,
): RevokedCertificate | undefined {
  if (!entry.held || inForce === undefined) return entry;
  const by = entry.by.filter((name) => inForce.has(name));
  if (by.length === entry.by.length) return entry;
  return by.length === 0 ? undefined : { ...entry, by };
}

function merge(entry: RevokedCertificate, { by, held }: SuspendedCertificate): RevokedCertificate {
  const names = new Set([...entry.by, ...by.map(({ name }) => name)]);
  const merged = [...names].slice(0, MAX_NAMES);
  const isHeld = entry.held && !by.some(({ isForGood }) => isForGood);
  const authority = entry.authority ?? held.authority;
  const isSame =
    isHeld === entry.held && authority === entry.authority && merged.length === entry.by.length;
  if (isSame) return entry;
  const next = { ...entry, held: isHeld, by: merged };
  return authority === undefined ? next : { ...next, authority };
}

function newEntry({ held, by }: SuspendedCertificate, now: number): RevokedCertificate {
  const { serial, notAfter, authority } = held;
  return {
    serial,
    notAfter: Math.floor(notAfter / 1000),
    revokedAt: now,
    ...(authority === undefined ? {} : { authority }),
    held: !by.some(({ isForGood }) => isForGood),
    by: [...new Set(by.map(({ name }) => name))].slice(0, MAX_NAMES),
  };
}
