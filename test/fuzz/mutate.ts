// Damages inputs: bits, bytes, ranges, numbers that look like lengths, tokens of the format, and
// parts of other inputs.

import type { Random } from './random.ts';

export type Material = {
  /** Texts and byte strings that mean something to the parser under test. */
  readonly dictionary: readonly Uint8Array[];
  /** Inputs to take parts from. */
  readonly corpus: readonly Uint8Array[];
  readonly maxBytes: number;
};

type Mutation = (input: Uint8Array, random: Random, material: Material) => Uint8Array;

const EDGES = [0, 1, 0x7f, 0x80, 0xff, 0x7fff, 0x8000, 0xffff, 0x7fffffff, 0xffffffff] as const;
const NUMBERS = [
  '0',
  '-1',
  '1e999',
  '9007199254740993',
  '4294967296',
  '0.1e-7',
  '-0',
  '1e5',
] as const;
const MAX_STACKED = 6;

/** A copy of `input` with one to several damages. */
export function mutate(input: Uint8Array, random: Random, material: Material): Uint8Array {
  let mutated = input;
  for (let left = 1 + random.below(MAX_STACKED); left > 0; left -= 1) {
    mutated = random.pick(MUTATIONS)(mutated, random, material).subarray(0, material.maxBytes);
  }
  return mutated;
}

const flipBit: Mutation = (input, random) =>
  changed(input, (copy) => {
    const at = random.below(copy.length);
    copy[at] = (copy[at] ?? 0) ^ (1 << random.below(8));
  });

const setByte: Mutation = (input, random) =>
  changed(input, (copy) => {
    copy[random.below(copy.length)] =
      random.below(2) === 0 ? random.pick(EDGES) & 0xff : random.below(256);
  });

/** One, two, three or four octets, big-endian, made smaller, larger or extreme. */
const editLength: Mutation = (input, random) =>
  changed(input, (copy) => {
    const width = Math.min(1 + random.below(4), copy.length);
    const at = random.below(copy.length - width + 1);
    const buffer = Buffer.from(copy.buffer, copy.byteOffset, copy.length);
    const present = buffer.readUIntBE(at, width);
    const edited =
      random.below(3) === 0 ? random.pick(EDGES) : present + random.below(9) - 4 + 2 ** (8 * width);
    buffer.writeUIntBE(edited % 2 ** (8 * width), at, width);
  });

const remove: Mutation = (input, random) => {
  const [from, to] = range(input, random);
  return joined(input.subarray(0, from), input.subarray(to));
};

const repeat: Mutation = (input, random) => {
  const [from, to] = range(input, random);
  const times = 1 + random.below(random.below(8) === 0 ? 64 : 3);
  const part = input.subarray(from, to);
  return joined(input.subarray(0, to), ...Array(times).fill(part), input.subarray(to));
};

const insertToken: Mutation = (input, random, { dictionary }) => {
  const [first, ...others] = dictionary;
  if (first === undefined) return flipBit(input, random, EMPTY);
  const token = random.pick([first, ...others]);
  const at = random.below(input.length + 1);
  const over = random.below(3) === 0 ? token.length : 0;
  return joined(input.subarray(0, at), token, input.subarray(at + over));
};

const splice: Mutation = (input, random, { corpus }) => {
  const other = corpus[random.below(corpus.length)] ?? input;
  const [from, to] = range(other, random);
  const [at, until] = range(input, random);
  return joined(
    input.subarray(0, at),
    other.subarray(from, to),
    input.subarray(random.below(2) === 0 ? at : until),
  );
};

const editNumber: Mutation = (input, random) => {
  const text = Buffer.from(input).toString('latin1');
  const numbers = [...text.matchAll(/\d+/g)];
  const found = numbers[random.below(numbers.length)];
  if (found === undefined) return setByte(input, random, EMPTY);
  const after = found.index + found[0].length;
  return joined(
    input.subarray(0, found.index),
    Buffer.from(random.pick(NUMBERS)),
    input.subarray(after),
  );
};

const MUTATIONS = [
  flipBit,
  setByte,
  editLength,
  remove,
  repeat,
  insertToken,
  insertToken,
  splice,
  splice,
  editNumber,
] as const;
const EMPTY: Material = { dictionary: [], corpus: [], maxBytes: 0 };

function changed(input: Uint8Array, change: (copy: Uint8Array) => void): Uint8Array {
  const copy = input.length === 0 ? new Uint8Array(1) : new Uint8Array(input);
  change(copy);
  return copy;
}

/** Mostly short ones: damage that leaves the rest as it was gets further into a parser. */
function range(input: Uint8Array, random: Random): readonly [number, number] {
  const from = random.below(input.length + 1);
  const most = random.below(4) === 0 ? input.length : 16;
  return [from, Math.min(input.length, from + 1 + random.below(most))];
}

function joined(...parts: readonly Uint8Array[]): Uint8Array {
  return new Uint8Array(Buffer.concat(parts));
}
