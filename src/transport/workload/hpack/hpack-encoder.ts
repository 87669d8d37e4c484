// Fields to header blocks (RFC 7541 §6), without a dynamic table: what this server says is a handful
// of constant blocks, encoded once, that mean the same on every connection.

import { encodeHuffman, huffmanLength } from './huffman.ts';
import { staticFieldIndex, staticNameIndex } from './static-table.ts';

/** Sets the dynamic table to nothing (§6.3), for peers that made it smaller (§4.2). */
export const EMPTY_TABLE: Buffer = Buffer.from([0x20]);

/** Values are one character a byte. `never` fields are marked never to be indexed by anyone (§6.2.3). */
export function encodeHeaders(
  fields: readonly (readonly [name: string, value: string])[],
  options: { readonly neverIndexed?: ReadonlySet<string> } = {},
): Buffer {
  const out: number[] = [];
  for (const [name, value] of fields) {
    const never = options.neverIndexed?.has(name) === true;
    const index = never ? 0 : staticFieldIndex(name, value);
    if (index !== 0) {
      pushInteger(out, index, { prefixBits: 7, flags: 0x80 });
      continue;
    }
    const nameIndex = staticNameIndex(name);
    pushInteger(out, nameIndex, { prefixBits: 4, flags: never ? 0x10 : 0 });
    if (nameIndex === 0) pushText(out, name);
    pushText(out, value);
  }
  // Kept for as long as the process runs, most of them: not a part of a shared slab.
  const block = Buffer.allocUnsafeSlow(out.length);
  block.set(out);
  return block;
}

function pushInteger(
  out: number[],
  value: number,
  { prefixBits, flags }: { prefixBits: number; flags: number },
): void {
  const mask = (1 << prefixBits) - 1;
  if (value < mask) {
    out.push(flags | value);
    return;
  }
  out.push(flags | mask);
  let left = value - mask;
  for (; left >= 0x80; left = Math.floor(left / 0x80)) out.push((left & 0x7f) | 0x80);
  out.push(left);
}

function pushText(out: number[], text: string): void {
  const plain = Buffer.from(text, 'latin1');
  const huffman = huffmanLength(plain) < plain.length;
  const bytes = huffman ? encodeHuffman(plain) : plain;
  pushInteger(out, bytes.length, { prefixBits: 7, flags: huffman ? 0x80 : 0 });
  for (const byte of bytes) out.push(byte);
}
