// What was made of bytes that came before: peers that repeat themselves are understood at once. Few
// and short ones are kept, so that nobody can make it hold much.

const MAX_ENTRIES = 4;
const MAX_BYTES = 128;

export class RecentBytes<V> {
  #entries: { readonly bytes: Buffer; readonly value: V }[] = [];
  #next = 0;

  find(bytes: Uint8Array): V | undefined {
    for (const entry of this.#entries) if (entry.bytes.equals(bytes)) return entry.value;
    return undefined;
  }

  /** Copies the bytes; the oldest ones go. Long ones are not kept. */
  keep(bytes: Uint8Array, value: V): void {
    if (bytes.length > MAX_BYTES) return;
    const copy = Buffer.allocUnsafeSlow(bytes.length);
    copy.set(bytes);
    this.#entries[this.#next] = { bytes: copy, value };
    this.#next = (this.#next + 1) % MAX_ENTRIES;
  }

  clear(): void {
    this.#entries = [];
    this.#next = 0;
  }
}
