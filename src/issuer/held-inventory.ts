// Which serials are out, per pod: from our own issuing and from what nodes say they hold when they
// come back. In memory; receipts of revocations and revocation lists are made of it.

import { MAX_X509_SVID_TTL } from './authority/authority-plan.ts';
import type { RestrictedCertificate } from './pod-source.ts';

export type HeldSerial = RestrictedCertificate & {
  /** Lower-case hex. */
  readonly serial: string;
  /** Milliseconds since the epoch. */
  readonly notAfter: number;
  /** The intermediate that signed it, where that is known. */
  readonly authority?: string;
};

type Kept = HeldSerial & { readonly isReported?: true };

/**
 * Kept for one pod; beyond it what was only reported goes, then the first to end. A renewing pod
 * holds two or three an entry.
 */
const MAX_PER_POD = 256;

export class HeldInventory {
  readonly #byPod = new Map<string, Map<string, Kept>>();
  /** Serial → pod, of what we issued. */
  readonly #issued = new Map<string, string>();
  #reports = 0;

  /** How many serials were learnt from nodes; rises. */
  get reports(): number {
    return this.#reports;
  }

  /** What we issued. */
  add(held: HeldSerial): void {
    const serials = this.#serialsOf(held.podUid);
    serials.set(held.serial, held);
    this.#issued.set(held.serial, held.podUid);
    if (serials.size > MAX_PER_POD) this.#dropOne(held.podUid, serials);
  }

  /**
   * What a node says it holds. It adds to what we know, and changes or displaces nothing of it: what we
   * issued to another pod is not taken for this one's.
   */
  report(held: HeldSerial, now: number): void {
    if (!(now < held.notAfter) || this.#issued.has(held.serial)) return;
    const serials = this.#serialsOf(held.podUid);
    if (serials.has(held.serial) || serials.size >= MAX_PER_POD) return;
    const notAfter = Math.min(held.notAfter, now + MAX_X509_SVID_TTL * 1000);
    serials.set(held.serial, { ...held, notAfter, isReported: true });
    this.#reports += 1;
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
      for (const [serial, { notAfter }] of serials) {
        if (now >= notAfter) this.#delete(podUid, serial);
      }
      if (serials.size === 0) this.#byPod.delete(podUid);
    }
  }

  #delete(podUid: string, serial: string): void {
    this.#byPod.get(podUid)?.delete(serial);
    if (this.#issued.get(serial) === podUid) this.#issued.delete(serial);
  }

  #dropOne(podUid: string, serials: ReadonlyMap<string, Kept>): void {
    let first: Kept | undefined;
    for (const held of serials.values()) {
      if (first === undefined || goesBefore(held, first)) first = held;
    }
    if (first !== undefined) this.#delete(podUid, first.serial);
  }
}

function goesBefore(a: Kept, b: Kept): boolean {
  if (a.isReported !== b.isReported) return a.isReported === true;
  return a.notAfter < b.notAfter;
}
