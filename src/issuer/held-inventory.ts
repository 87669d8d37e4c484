// Which serials are out, per pod: from our own issuing and from what nodes say they hold when they
// come back. In memory; it makes receipts of revocations, not decisions.

export type HeldSerial = {
  /** Lower-case hex. */
  readonly serial: string;
  /** Milliseconds since the epoch. */
  readonly notAfter: number;
  readonly podUid: string;
  readonly entryId: string;
  readonly node: string;
};

/** Kept for one pod; beyond it the first to end goes. A renewing pod holds two or three an entry. */
const MAX_PER_POD = 256;

export class HeldInventory {
  readonly #byPod = new Map<string, Map<string, HeldSerial>>();

  add(held: HeldSerial): void {
    const serials = this.#byPod.get(held.podUid) ?? new Map<string, HeldSerial>();
    serials.set(held.serial, held);
    if (serials.size > MAX_PER_POD) dropFirstToEnd(serials);
    this.#byPod.set(held.podUid, serials);
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

function dropFirstToEnd(serials: Map<string, HeldSerial>): void {
  let first: HeldSerial | undefined;
  for (const held of serials.values()) {
    if (first === undefined || held.notAfter < first.notAfter) first = held;
  }
  if (first !== undefined) serials.delete(first.serial);
}
