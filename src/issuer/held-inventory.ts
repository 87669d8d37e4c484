// Which serials are out, per pod: from our own issuing and from what nodes say they hold when they
// come back. In memory; it makes receipts of revocations, not decisions.

import { MAX_X509_SVID_TTL } from './authority/authority-plan.ts';

export type HeldSerial = {
  /** Lower-case hex. */
  readonly serial: string;
  /** Milliseconds since the epoch. */
  readonly notAfter: number;
  readonly podUid: string;
  readonly entryId: string;
  readonly node: string;
};

type Kept = HeldSerial & { readonly isReported?: true };

/**
 * Kept for one pod; beyond it what was only reported goes, then the first to end. A renewing pod
 * holds two or three an entry.
 */
const MAX_PER_POD = 256;

export class HeldInventory {
  readonly #byPod = new Map<string, Map<string, Kept>>();

  /** What we issued. */
  add(held: HeldSerial): void {
    const serials = this.#serialsOf(held.podUid);
    serials.set(held.serial, held);
    if (serials.size > MAX_PER_POD) dropOne(serials);
  }

  /** What a node says it holds. It adds to what we know, and changes or displaces nothing of it. */
  report(held: HeldSerial, now: number): void {
    if (!(now < held.notAfter)) return;
    const serials = this.#serialsOf(held.podUid);
    if (serials.has(held.serial) || serials.size >= MAX_PER_POD) return;
    const notAfter = Math.min(held.notAfter, now + MAX_X509_SVID_TTL * 1000);
    serials.set(held.serial, { ...held, notAfter, isReported: true });
  }

  #serialsOf(podUid: string): Map<string, Kept> {
    const known = this.#byPod.get(podUid);
    if (known !== undefined) return known;
    const serials = new Map<string, Kept>();
    this.#byPod.set(podUid, serials);
    return serials;
  }

  /** What is out and not over, of the pods that match. */
  heldBy(matches: (held: HeldSerial) => boolean, now: number): readonly HeldSerial[] {
    const found: HeldSerial[] = [];
    for (const serials of this.#byPod.values()) {
      for (const held of serials.values()) {
        if (now < held.notAfter && matches(held)) found.push(held);
      }
    }
    return found;
  }

  /** Forgets what is over; called now and then, not on the issuing path. */
  prune(now: number): void {
    for (const [podUid, serials] of this.#byPod) {
      for (const [serial, { notAfter }] of serials) if (now >= notAfter) serials.delete(serial);
      if (serials.size === 0) this.#byPod.delete(podUid);
    }
  }
}

function dropOne(serials: Map<string, Kept>): void {
  let first: Kept | undefined;
  for (const held of serials.values()) {
    if (first === undefined || goesBefore(held, first)) first = held;
  }
  if (first !== undefined) serials.delete(first.serial);
}

function goesBefore(a: Kept, b: Kept): boolean {
  if (a.isReported !== b.isReported) return a.isReported === true;
  return a.notAfter < b.notAfter;
}
