// The dynamic table of a decoder (RFC 7541 §2.3.2, §4): the newest entry has the lowest index.

/** What an entry counts beside its name and value (§4.1). */
export const ENTRY_OVERHEAD = 32;
const COMPACT_AT = 64;

export class DynamicTable {
  readonly #names: string[] = [];
  readonly #values: string[] = [];
  /** Where the oldest entry stands; those before it are gone. */
  #first = 0;
  #bytes = 0;
  #maxBytes: number;
  /** Counts what changed the table: the same block decodes the same while it stays. */
  generation = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  get length(): number {
    return this.#names.length - this.#first;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** By age: 0 is the newest. The index must be below `length`. */
  name(age: number): string {
    return this.#names[this.#names.length - 1 - age] as string;
  }

  value(age: number): string {
    return this.#values[this.#values.length - 1 - age] as string;
  }

  /** An entry that is larger than the table empties it, which is no error (§4.4). */
  add(name: string, value: string): void {
    this.generation += 1;
    const size = name.length + value.length + ENTRY_OVERHEAD;
    this.#evict(this.#maxBytes - size);
    if (size > this.#maxBytes) return;
    this.#names.push(name);
    this.#values.push(value);
    this.#bytes += size;
  }

  resize(maxBytes: number): void {
    if (maxBytes === this.#maxBytes) return;
    this.generation += 1;
    this.#maxBytes = maxBytes;
    this.#evict(maxBytes);
  }

  #evict(maxBytes: number): void {
    while (this.#bytes > maxBytes && this.length > 0) {
      const name = this.#names[this.#first] as string;
      const value = this.#values[this.#first] as string;
      this.#bytes -= name.length + value.length + ENTRY_OVERHEAD;
      this.#names[this.#first] = '';
      this.#values[this.#first] = '';
      this.#first += 1;
    }
    if (this.#first < COMPACT_AT && this.length > 0) return;
    this.#names.splice(0, this.#first);
    this.#values.splice(0, this.#first);
    this.#first = 0;
  }
}
