// The Huffman code of HPACK (RFC 7541 §5.2 and appendix B). It is canonical: the lengths say it all,
// codes of one length go by ascending symbol.

import { HpackError } from './hpack-error.ts';

/** Bits of each symbol's code; the last one is EOS, which no text may hold. */
const LENGTHS: readonly number[] = [
  13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 30, 28,
  28, 28, 28, 28, 28, 28, 28, 28, 6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6, 5, 5, 5,
  6, 6, 6, 6, 6, 6, 6, 7, 8, 15, 6, 12, 10, 13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7,
  7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6, 15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5, 6,
  7, 6, 5, 5, 6, 7, 7, 7, 7, 7, 15, 11, 14, 13, 28, 20, 22, 20, 20, 22, 22, 22, 23, 22, 23, 23, 23,
  23, 23, 24, 23, 24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24, 22, 21, 20, 22,
  22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23, 21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22,
  23, 22, 22, 23, 26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25, 19, 21, 26, 27,
  27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27, 27, 20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25, 25,
  24, 24, 26, 23, 26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26, 30,
];
const EOS = 256;

const CODES = canonicalCodes();

// The decoder takes four bits a step. A step is: the next node, whether a symbol came out (a nibble
// gives at most one, as no code is shorter than five bits), and that symbol.
const EMITS = 0x8000;
const FAILS = 0x4000;
const { steps: STEPS, accepting: ACCEPTING } = decodingSteps();

function canonicalCodes(): Uint32Array {
  const codes = new Uint32Array(LENGTHS.length);
  const order = LENGTHS.map((_, symbol) => symbol).toSorted(
    (a, b) => lengthOf(a) - lengthOf(b) || a - b,
  );
  let code = 0;
  let length = 0;
  for (const symbol of order) {
    code <<= lengthOf(symbol) - length;
    length = lengthOf(symbol);
    codes[symbol] = code;
    code += 1;
  }
  return codes;
}

function lengthOf(symbol: number): number {
  return LENGTHS[symbol] as number;
}

type Node = { readonly id: number; readonly depth: number; readonly children: (Node | number)[] };

function decodingSteps(): { steps: Uint32Array; accepting: Uint8Array } {
  const nodes: Node[] = [];
  const add = (depth: number): Node => {
    const node = { id: nodes.length, depth, children: [] };
    nodes.push(node);
    return node;
  };
  const root = add(0);
  // What may stand at the end of a text: fewer than eight bits, all ones (§5.2).
  const padding = new Set<Node>([root]);
  for (const [symbol, code] of CODES.entries()) {
    let node = root;
    for (let bit = lengthOf(symbol) - 1; bit > 0; bit -= 1) {
      const side = (code >>> bit) & 1;
      let next = node.children[side];
      if (next === undefined) {
        next = add(node.depth + 1);
        node.children[side] = next;
      }
      node = next as Node;
      if (symbol === EOS && node.depth < 8) padding.add(node);
    }
    node.children[code & 1] = symbol;
  }
  const steps = new Uint32Array(nodes.length * 16);
  for (const node of nodes) {
    for (let nibble = 0; nibble < 16; nibble += 1) {
      steps[node.id * 16 + nibble] = stepFrom(node, nibble, root);
    }
  }
  const accepting = new Uint8Array(nodes.length);
  for (const node of padding) accepting[node.id] = 1;
  return { steps, accepting };
}

function stepFrom(start: Node, nibble: number, root: Node): number {
  let node = start;
  let emitted = 0;
  for (let bit = 3; bit >= 0; bit -= 1) {
    const next = node.children[(nibble >>> bit) & 1];
    if (next === EOS || next === undefined) return FAILS;
    if (typeof next === 'number') {
      emitted = EMITS | (next << 16);
      node = root;
    } else {
      node = next;
    }
  }
  return emitted | node.id;
}

const NODE = 0x3fff;
/** No text is longer than what five bits a symbol make of the longest block. */
const scratch = Buffer.allocUnsafeSlow(64 * 1024);

/** The text of the bytes from `start` to `end`, one character a byte. */
export function decodeHuffman(bytes: Uint8Array, start: number, end: number): string {
  if ((end - start) * 8 > scratch.length * 5) throw new HpackError('a text is too long');
  let node = 0;
  let length = 0;
  for (let at = start; at < end; at += 1) {
    const byte = bytes[at] as number;
    let step = STEPS[node * 16 + (byte >>> 4)] as number;
    if ((step & EMITS) !== 0) scratch[length++] = step >>> 16;
    if ((step & FAILS) !== 0) throw new HpackError('a text holds EOS');
    node = step & NODE;
    step = STEPS[node * 16 + (byte & 15)] as number;
    if ((step & EMITS) !== 0) scratch[length++] = step >>> 16;
    if ((step & FAILS) !== 0) throw new HpackError('a text holds EOS');
    node = step & NODE;
  }
  if (ACCEPTING[node] !== 1) throw new HpackError('a text is padded with something else than EOS');
  return scratch.toString('latin1', 0, length);
}

/** Bytes that the code of a text takes. */
export function huffmanLength(text: Uint8Array): number {
  let bits = 0;
  for (const symbol of text) bits += lengthOf(symbol);
  return (bits + 7) >>> 3;
}

export function encodeHuffman(text: Uint8Array): Uint8Array {
  const coded = new Uint8Array(huffmanLength(text));
  let at = 0;
  // At most 7 bits are left from before, and a code has at most 30.
  let held = 0n;
  let bits = 0;
  for (const symbol of text) {
    held = (held << BigInt(lengthOf(symbol))) | BigInt(CODES[symbol] as number);
    bits += lengthOf(symbol);
    while (bits >= 8) {
      bits -= 8;
      coded[at++] = Number((held >> BigInt(bits)) & 0xffn);
    }
    held &= (1n << BigInt(bits)) - 1n;
  }
  if (bits > 0) coded[at] = Number((held << BigInt(8 - bits)) & 0xffn) | (0xff >>> bits);
  return coded;
}
