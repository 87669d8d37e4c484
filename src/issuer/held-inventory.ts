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
  /** Known from a node alone. */
  readonly isReported?: true;
};

/** Two pods claim it: nobody's, and in its place, so that claiming makes no room. */
type Kept = HeldSerial & { readonly isDisputed?: true };

/**
 * Kept for one pod; beyond it what was only reported goes, then the first to end. A renewing pod
 * holds two or three an entry.
 */
const MAX_PER_POD = 256;
/** Of one entry, that only a node knows of: what is held and what it has replaced. */
const MAX_REPORTED = 4;

export class HeldInventory {
  readonly #byPod = new Map<string, Map<string, Kept>>();
  /** Serial → pod, of what we issued. */
  readonly #issued = new Map<string, string>();
  /** Serial → pod, of what was only reported. */
  readonly #claimed = new Map<string, string>();
  #reports = 0;

  /** How often what nodes say changed what we know; rises. */
  get reports(): number {
    return this.#reports;
  }

  /** Whether this process issued it, and it is not over. */
  isIssued(serial: string): boolean {
    return this.#issued.has(serial);
  }

  /** What we issued. */
  add(held: HeldSerial): void {
    const claimed = this.#claimed.get(held.serial);
    if (claimed !== undefined) this.#delete(claimed, held.serial);
    const serials = this.#serialsOf(held.podUid);
    serials.set(held.serial, held);
    this.#issued.set(held.serial, held.podUid);
    if (serials.size > MAX_PER_POD) this.#dropOne(held.podUid, serials);
  }

  /**
   * What a node says it holds. It adds to what we know, and changes or displaces nothing of it: what we
   * issued to another pod is not taken for this one's, and what two pods claim for neither's.
   */
  report(held: HeldSerial, now: number): void {
    const { serial, podUid, entryId } = held;
    if (!(now < held.notAfter) || this.#issued.has(serial)) return;
    const claimed = this.#claimed.get(serial);
    if (claimed !== undefined) {
      if (claimed !== podUid) this.#dispute(claimed, serial);
      return;
    }
    const known = this.#byPod.get(podUid);
    if ((known?.size ?? 0) >= MAX_PER_POD) return;
    const before = [...(known?.values() ?? [])].filter(
      (each) => each.isReported === true && each.entryId === entryId && now < each.notAfter,
    );
    if (before.length >= MAX_REPORTED) return;
    const notAfter = Math.min(held.notAfter, now + MAX_X509_SVID_TTL * 1000);
    this.#serialsOf(podUid).set(serial, { ...held, notAfter, isReported: true });
    this.#claimed.set(serial, podUid);
    this.#reports += 1;
  }

  #dispute(podUid: string, serial: string): void {
    const serials = this.#byPod.get(podUid);
    const held = serials?.get(serial);
    if (held === undefined || held.isDisputed === true) return;
    serials?.set(serial, { ...held, isDisputed: true });
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
        if (now < held.notAfter && held.isDisputed !== true && matches(held)) found.push(held);
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
    if (this.#claimed.get(serial) === podUid) this.#claimed.delete(serial);
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
