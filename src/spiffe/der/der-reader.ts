// DER in, strictly (X.690 §10): shortest lengths, nothing past an element's end, nothing left over.
// A reader is a cursor over one element's content; every refusal names the field it was reading.

import { type CodedError, invalid } from '../../base/errors.ts';
import { TAG } from './der-tag.ts';

export class DerReader {
  readonly #bytes: Buffer;
  readonly #field: string;
  #end: number;
  #at = 0;

  /** Reads `bytes`, which stay the caller's: what is handed out points into them. */
  constructor(bytes: Uint8Array, field: string) {
    this.#bytes = Buffer.isBuffer(bytes)
      ? bytes
      : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
    this.#field = field;
    this.#end = bytes.length;
  }

  get atEnd(): boolean {
    return this.#at === this.#end;
  }

  /** Whether the next element has this tag. */
  isNext(tag: number): boolean {
    return this.#at < this.#end && this.#bytes[this.#at] === tag;
  }

  /** A reader over the content of the next element, which this one is then past. */
  enter(tag: number, field: string): DerReader {
    const start = this.#readHeader(tag);
    const inner = new DerReader(this.#bytes, field);
    inner.#at = start;
    inner.#end = this.#at;
    return inner;
  }

  /** The content octets of the next element. */
  content(tag: number): Buffer {
    const start = this.#readHeader(tag);
    return this.#bytes.subarray(start, this.#at);
  }

  /** The next element as it stands, header included. */
  element(tag: number): Buffer {
    const from = this.#at;
    this.#readHeader(tag);
    return this.#bytes.subarray(from, this.#at);
  }

  /** The next element whatever its tag, as [tag, content]. */
  any(): readonly [tag: number, content: Buffer] {
    const tag = this.#bytes[this.#at];
    if (this.atEnd || tag === undefined) throw this.#bad('ends too early');
    return [tag, this.content(tag)];
  }

  /** Throws unless everything was read. */
  end(): void {
    if (!this.atEnd) throw this.#bad('has trailing bytes');
  }

  boolean(): boolean {
    const content = this.content(TAG.BOOLEAN);
    const [value] = content;
    if (content.length !== 1 || (value !== 0x00 && value !== 0xff)) {
      throw this.#bad('has a malformed BOOLEAN');
    }
    return value === 0xff;
  }

  /** A whole number of at least zero: its octets without the sign octet, big-endian. */
  unsignedInteger(): Buffer {
    const content = this.content(TAG.INTEGER);
    const [first, second] = content;
    if (first === undefined) throw this.#bad('has an empty INTEGER');
    if (first >= 0x80) throw this.#bad('has a negative INTEGER');
    if (first !== 0 || second === undefined) return content;
    if (second < 0x80) throw this.#bad('has an INTEGER with needless zeros');
    return content.subarray(1);
  }

  /** A whole number from 0 to 2^31-1. */
  smallInteger(): number {
    const octets = this.unsignedInteger();
    const value = octets.length > 4 ? Infinity : octets.readUIntBE(0, octets.length);
    if (value > 0x7fffffff) throw this.#bad('has an INTEGER out of range');
    return value;
  }

  /** Content octets of an OBJECT IDENTIFIER in hex: two are equal when these are. */
  objectIdentifier(): string {
    const content = this.content(TAG.OBJECT_IDENTIFIER);
    const last = content.at(-1);
    if (last === undefined || last >= 0x80) throw this.#bad('has a cut OBJECT IDENTIFIER');
    for (let at = 0; at < content.length; at += 1) {
      const startsArc = at === 0 || (content[at - 1] ?? 0) < 0x80;
      if (startsArc && content[at] === 0x80) throw this.#bad('has a padded OBJECT IDENTIFIER');
    }
    return content.toString('hex');
  }

  /** A BIT STRING of whole octets. */
  bitString(): Buffer {
    const content = this.content(TAG.BIT_STRING);
    if (content[0] !== 0) throw this.#bad('has a BIT STRING of no whole octets');
    return content.subarray(1);
  }

  /** The first octet of a BIT STRING of named bits (X.690 §11.2.2): bit 0 is 0x80. */
  namedBits(): number {
    const content = this.content(TAG.BIT_STRING);
    const [unused = 8, first = 0] = content;
    const last = content.at(-1) ?? 0;
    const shortest = unused <= 7 && content.length >= 2 && ((last >> unused) & 1) === 1;
    if (!shortest || (last & ((1 << unused) - 1)) !== 0) {
      throw this.#bad('has a malformed BIT STRING of named bits');
    }
    return first;
  }

  /** Printable ASCII under any tag given. */
  asciiText(tag: number): string {
    const content = this.content(tag);
    for (const octet of content) {
      if (octet < 0x20 || octet > 0x7e) throw this.#bad('has text that is not printable ASCII');
    }
    return content.toString('latin1');
  }

  #readHeader(tag: number): number {
    const bytes = this.#bytes;
    // The bytes may go on past this element's end; nothing there is ours.
    if (this.#at + 2 > this.#end) throw this.#bad('ends too early');
    const found = bytes[this.#at] ?? 0;
    const short = bytes[this.#at + 1] ?? 0;
    // Tags of more than one octet (X.690 §8.1.2.4) do not occur in certificates.
    if (found !== tag || (found & 0x1f) === 0x1f) throw this.#bad(`has tag ${found}, not ${tag}`);
    let start = this.#at + 2;
    let length = short;
    if (short >= 0x80) {
      const octets = short & 0x7f;
      if (octets === 0 || octets > 3) throw this.#bad('has a length of another form');
      if (start + octets > this.#end) throw this.#bad('ends too early');
      length = bytes.readUIntBE(start, octets);
      if (length < 0x80 || length < 2 ** (8 * (octets - 1))) {
        throw this.#bad('has a length that is not the shortest');
      }
      start += octets;
    }
    if (start + length > this.#end) throw this.#bad('ends too early');
    this.#at = start + length;
    return start;
  }

  #bad(rule: string): CodedError {
    return invalid(`${this.#field}: ${rule}`);
  }
}
