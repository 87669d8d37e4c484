// How many connections one IP address has open. Listeners count before the handshake, so that one
// address cannot take the places of all others without ever speaking.

import type { Socket } from 'node:net';

export class AddressCounts {
  readonly #max: number;
  readonly #counts = new Map<string, number>();

  constructor(max: number) {
    this.#max = max;
  }

  /** Counts a new connection until it closes; destroys it when its address has too many. */
  admit(socket: Socket): void {
    const address = socket.remoteAddress;
    // A Unix socket: who may connect is decided by its mode.
    if (address === undefined) return;
    const count = (this.#counts.get(address) ?? 0) + 1;
    this.#counts.set(address, count);
    socket.once('close', () => this.#leave(address));
    if (count > this.#max) socket.destroy();
  }

  #leave(address: string): void {
    const left = (this.#counts.get(address) ?? 1) - 1;
    if (left === 0) this.#counts.delete(address);
    else this.#counts.set(address, left);
  }
}
