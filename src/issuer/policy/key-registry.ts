// Which public keys are in use, by digest. A node makes the keys of its pods; it must not be able
// to get a certificate over a key that is an authority's, or over one that another pod uses now.

import { hash } from 'node:crypto';

type Use = { readonly holder: string; readonly notAfter: number };

/** Of one holder at a time: hundreds of renewals, and not what a node can fill memory with. */
const MAX_PER_HOLDER = 1024;

export class KeyRegistry {
  readonly #uses = new Map<string, Use>();
  /** Keys of each holder. */
  readonly #counts = new Map<string, number>();
  #authorities: ReadonlySet<string> = new Set();

  /** Replaces the set of authority keys, each a digest by `keyDigest`. */
  setAuthorities(digests: ReadonlySet<string>): void {
    this.#authorities = digests;
  }

  /** Whether `holder` may use this key now. */
  mayUse(digest: string, holder: string, now: number): boolean {
    if (this.#authorities.has(digest)) return false;
    const use = this.#uses.get(digest);
    return use === undefined || use.holder === holder || now >= use.notAfter;
  }

  /** Whether one more key of the holder's can be remembered. */
  hasRoom(digest: string, holder: string): boolean {
    if (this.#uses.get(digest)?.holder === holder) return true;
    return (this.#counts.get(holder) ?? 0) < MAX_PER_HOLDER;
  }

  /**
   * Remembers a use until `notAfter`, in milliseconds since the epoch, or until a longer one of the
   * same holder ends: a short-lived certificate does not free the key of a long-lived one.
   */
  remember(digest: string, { holder, notAfter }: Use): void {
    const before = this.#uses.get(digest);
    if (before?.holder === holder) {
      if (notAfter <= before.notAfter) return;
    } else {
      if (before !== undefined) this.#count(before.holder, -1);
      this.#count(holder, 1);
    }
    this.#uses.set(digest, { holder, notAfter });
  }

  /** Forgets uses that are over; called now and then, not on the issuing path. */
  prune(now: number): void {
    for (const [digest, { holder, notAfter }] of this.#uses) {
      if (now < notAfter) continue;
      this.#uses.delete(digest);
      this.#count(holder, -1);
    }
  }

  #count(holder: string, change: 1 | -1): void {
    const count = (this.#counts.get(holder) ?? 0) + change;
    if (count === 0) this.#counts.delete(holder);
    else this.#counts.set(holder, count);
  }
}

/** SHA-256 of a public key's raw bytes, lower-case hex. */
export function keyDigest(publicKey: Uint8Array): string {
  return hash('sha256', publicKey);
}
