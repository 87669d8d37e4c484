// Which public keys are in use, by digest. A node makes the keys of its pods; it must not be able
// to get a certificate over a key that is an authority's, or over one that another pod uses now.

import { hash } from 'node:crypto';

type Use = { readonly holder: string; readonly notAfter: number };

export class KeyRegistry {
  readonly #uses = new Map<string, Use>();
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

  /** Remembers a use until `notAfter`, in milliseconds since the epoch. */
  remember(digest: string, use: Use): void {
    this.#uses.set(digest, use);
  }

  /** Forgets uses that are over; called now and then, not on the issuing path. */
  prune(now: number): void {
    for (const [digest, { notAfter }] of this.#uses) {
      if (now >= notAfter) this.#uses.delete(digest);
    }
  }
}

/** SHA-256 of a public key's raw bytes, lower-case hex. */
export function keyDigest(publicKey: Uint8Array): string {
  return hash('sha256', publicKey);
}
