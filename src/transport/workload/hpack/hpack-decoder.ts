// Header blocks to fields (RFC 7541 §3, §6). What a block may cost is bounded before anything of it
// is kept: fields count name, value and 32 bytes, as SETTINGS_MAX_HEADER_LIST_SIZE counts them.

import { DynamicTable, ENTRY_OVERHEAD } from './dynamic-table.ts';
import { HpackError } from './hpack-error.ts';
import { decodeHuffman } from './huffman.ts';
import { STATIC_ENTRIES, STATIC_NAMES, STATIC_VALUES } from './static-table.ts';

/** The table size that holds until SETTINGS say otherwise; ours never do (RFC 9113 §6.5.2). */
export const DEFAULT_TABLE_BYTES = 4096;
/** A block begins with at most two size updates (§4.2). */
const MAX_SIZE_UPDATES = 2;

/** Names and values in turn, one character a byte; and the size of the list. */
export type HeaderList = {
  /** Undefined when the list is larger than the limit: then it was decoded and thrown away. */
  readonly fields: readonly string[] | undefined;
  readonly bytes: number;
};

export type HpackDecoderOptions = {
  readonly maxTableBytes?: number;
  readonly maxListBytes: number;
};

export class HpackDecoder {
  readonly #table: DynamicTable;
  readonly #maxTableBytes: number;
  readonly #maxListBytes: number;
  #block: Buffer = Buffer.alloc(0);
  #at = 0;
  #end = 0;

  constructor(options: HpackDecoderOptions) {
    this.#maxTableBytes = options.maxTableBytes ?? DEFAULT_TABLE_BYTES;
    this.#maxListBytes = options.maxListBytes;
    this.#table = new DynamicTable(this.#maxTableBytes);
  }

  /** Unchanged as long as the same block means the same. */
  get generation(): number {
    return this.#table.generation;
  }

  /** Throws `HpackError`; the decoder is of no use after that. */
  decode(block: Buffer, start = 0, end = block.length): HeaderList {
    this.#block = block;
    this.#at = start;
    this.#end = end;
    const fields: string[] = [];
    let bytes = 0;
    let sizeUpdates = 0;
    while (this.#at < end) {
      const first = block[this.#at] as number;
      if ((first & 0xe0) === 0x20) {
        sizeUpdates += 1;
        if (bytes > 0 || sizeUpdates > MAX_SIZE_UPDATES) {
          throw new HpackError('a table size update that is not at the beginning');
        }
        this.#resize();
        continue;
      }
      let name: string;
      let value: string;
      if (first >= 0x80) {
        const index = this.#integer(7);
        name = this.#name(index);
        value = this.#value(index);
      } else {
        const indexed = first >= 0x40;
        const index = this.#integer(indexed ? 6 : 4);
        name = index === 0 ? this.#text() : this.#name(index);
        value = this.#text();
        if (indexed) this.#table.add(name, value);
      }
      bytes += name.length + value.length + ENTRY_OVERHEAD;
      if (bytes <= this.#maxListBytes) fields.push(name, value);
    }
    this.#block = EMPTY;
    return { fields: bytes <= this.#maxListBytes ? fields : undefined, bytes };
  }

  #resize(): void {
    const size = this.#integer(5);
    if (size > this.#maxTableBytes) throw new HpackError('a table larger than was allowed');
    this.#table.resize(size);
  }

  #name(index: number): string {
    if (index > STATIC_ENTRIES) return this.#table.name(this.#age(index));
    if (index === 0) throw new HpackError('index 0');
    return STATIC_NAMES[index] as string;
  }

  #value(index: number): string {
    if (index > STATIC_ENTRIES) return this.#table.value(this.#age(index));
    return STATIC_VALUES[index] as string;
  }

  #age(index: number): number {
    const age = index - STATIC_ENTRIES - 1;
    if (age >= this.#table.length) throw new HpackError('an index beyond the tables');
    return age;
  }

  // §5.1. Four octets after the prefix hold more than anything here may be.
  #integer(prefixBits: number): number {
    const mask = (1 << prefixBits) - 1;
    let value = (this.#block[this.#at++] as number) & mask;
    if (value < mask) return value;
    for (let shift = 0; shift <= 21; shift += 7) {
      if (this.#at >= this.#end) throw new HpackError('a block that ends within a number');
      const byte = this.#block[this.#at++] as number;
      value += (byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
    throw new HpackError('a number that is too large');
  }

  #text(): string {
    if (this.#at >= this.#end) throw new HpackError('a block that ends before a text');
    const huffman = ((this.#block[this.#at] as number) & 0x80) !== 0;
    const length = this.#integer(7);
    const start = this.#at;
    if (length > this.#end - start) throw new HpackError('a block that ends within a text');
    this.#at += length;
    return huffman
      ? decodeHuffman(this.#block, start, start + length)
      : this.#block.toString('latin1', start, start + length);
  }
}

const EMPTY: Buffer = Buffer.alloc(0);
