// Serial numbers of 127 random bits: sixteen octets whose first is 1 to 127, so that the number is
// positive, of one length, and needs no sign octet (RFC 5280 §4.1.2.2).

import { randomFillSync } from 'node:crypto';

const OCTETS = 16;

/** Takes randomness from the system a pool at a time; asking per number costs more than signing. */
export class SerialNumbers {
  readonly #pool = new Uint8Array(OCTETS * 256);
  #at = this.#pool.length;

  next(): Uint8Array {
    for (;;) {
      if (this.#at === this.#pool.length) {
        randomFillSync(this.#pool);
        this.#at = 0;
      }
      const serial = this.#pool.slice(this.#at, this.#at + OCTETS);
      this.#at += OCTETS;
      serial[0] = (serial[0] ?? 0) & 0x7f;
      if (serial[0] !== 0) return serial;
    }
  }
}
