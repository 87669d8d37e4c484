// Integers as fmt prints them.

import { type Flags, pad, padSpaces } from './flags.ts';
import { charOf, isPrintable } from './quote.ts';

const BASES: ReadonlyMap<string, number> = new Map([
  ['d', 10],
  ['v', 10],
  ['b', 2],
  ['o', 8],
  ['O', 8],
  ['x', 16],
  ['X', 16],
]);

/** An integer in the base of `verb`; undefined when the verb writes no number. */
export function formatInteger(integer: bigint, verb: string, flags: Flags): string | undefined {
  const base = BASES.get(verb);
  if (base === undefined) return undefined;
  const isNegative = integer < 0n;
  let digits = (isNegative ? -integer : integer).toString(base);
  if (flags.precision === 0 && integer === 0n) {
    return ' '.repeat(flags.width ?? 0);
  }
  digits = digits.padStart(leadingZeros(isNegative, flags), '0');
  if (flags.sharp && base === 2) digits = `0b${digits}`;
  if (flags.sharp && base === 8 && !digits.startsWith('0')) digits = `0${digits}`;
  if (flags.sharp && base === 16) digits = `0x${digits}`;
  if (verb === 'O') digits = `0o${digits}`;
  if (verb === 'X') digits = digits.toUpperCase();
  return padSpaces(signOf(isNegative, flags) + digits, flags);
}

/** %c */
export function formatCharacter(integer: bigint, flags: Flags): string {
  return pad(charOf(integer), flags);
}

/** %U: U+0041, and with the sharp flag the character itself. */
export function formatUnicode(integer: bigint, flags: Flags): string {
  const unsigned = BigInt.asUintN(64, integer);
  const digits = unsigned
    .toString(16)
    .toUpperCase()
    .padStart(Math.max(4, flags.precision ?? 0), '0');
  const char = charOf(unsigned);
  const isChar = char !== '\ufffd' || unsigned === 0xfffdn;
  const isShown = flags.sharp && isChar && isPrintable(char);
  return padSpaces(`U+${digits}${isShown ? ` '${char}'` : ''}`, flags);
}

/** The digits to fill up to: by precision, else by a zero-padded width that leaves the sign room. */
function leadingZeros(isNegative: boolean, flags: Flags): number {
  if (flags.precision !== undefined) return flags.precision;
  if (!flags.zero || flags.minus || flags.width === undefined) return 0;
  return flags.width - (isNegative || flags.plus || flags.space ? 1 : 0);
}

function signOf(isNegative: boolean, flags: Flags): string {
  if (isNegative) return '-';
  if (flags.plus) return '+';
  return flags.space ? ' ' : '';
}
