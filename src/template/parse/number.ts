// Number constants with Go's rules: what a constant may be used as follows from how it is written.

import { unquoteChar } from './literal.ts';

export type NumberConstant =
  | { readonly kind: 'int'; readonly value: bigint }
  | { readonly kind: 'float'; readonly value: number }
  /** Fits an unsigned 64-bit integer only: refused where it is used, as Go does. */
  | { readonly kind: 'overflow' };

const MAX_INT64 = 2n ** 63n - 1n;
const MAX_UINT64 = 2n ** 64n - 1n;
const DIGITS: ReadonlyMap<string, RegExp> = new Map([
  ['0x', /^[\da-f]+$/],
  ['0o', /^[0-7]+$/],
  ['0b', /^[01]+$/],
]);

/** The constant a number or character token stands for, or why it is none. */
export function parseNumber(token: string): NumberConstant | string {
  if (token.startsWith("'")) {
    const code = unquoteChar(token);
    return code === undefined
      ? `malformed character constant ${token}`
      : { kind: 'int', value: BigInt(code) };
  }
  if (token.endsWith('i')) return `complex constant ${token} is refused`;
  const illegal = `illegal number syntax "${token}"`;
  const text = token.replace(/^[+-]/, '').toLowerCase();
  if (!underscoresSeparateDigits(text)) return illegal;
  const digits = text.replaceAll('_', '');
  const isHex = digits.startsWith('0x');
  if (isHex ? /[.p]/.test(digits) : /[.e]/.test(digits)) {
    const value = isHex ? parseHexFloat(digits) : parseDecimalFloat(digits);
    if (value === undefined) return illegal;
    return { kind: 'float', value: token.startsWith('-') ? -value : value };
  }
  const magnitude = parseInteger(digits);
  if (magnitude === undefined) return illegal;
  return integerConstant(token, magnitude);
}

function integerConstant(token: string, magnitude: bigint): NumberConstant | string {
  const value = token.startsWith('-') ? -magnitude : magnitude;
  if (value >= -MAX_INT64 - 1n && value <= MAX_INT64) return { kind: 'int', value };
  // ParseUint takes no sign, so "+9223372036854775808" is too large for both.
  if (value > 0n && value <= MAX_UINT64 && !token.startsWith('+')) return { kind: 'overflow' };
  return `integer overflow "${token}"`;
}

/** Underscores stand between digits, or between a base prefix and a digit. */
function underscoresSeparateDigits(text: string): boolean {
  if (!text.includes('_')) return true;
  const hasPrefix = /^0[xob]/.test(text);
  const body = hasPrefix ? `0${text.slice(2)}` : text;
  const digit = text.startsWith('0x') ? '[\\da-f]' : '\\d';
  return body.split('_').every((part, index, parts) => {
    const opens = index === 0 || new RegExp(`^${digit}`).test(part);
    const closes = index === parts.length - 1 || new RegExp(`${digit}$`).test(part);
    return opens && closes;
  });
}

function parseInteger(digits: string): bigint | undefined {
  const pattern = DIGITS.get(digits.slice(0, 2));
  if (pattern !== undefined) return pattern.test(digits.slice(2)) ? BigInt(digits) : undefined;
  if (/^0[0-7]+$/.test(digits)) return BigInt(`0o${digits.slice(1)}`);
  return /^(?:0|[1-9]\d*)$/.test(digits) ? BigInt(digits) : undefined;
}

function parseDecimalFloat(digits: string): number | undefined {
  if (!/^(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?$/.test(digits)) return undefined;
  const value = Number(digits);
  return Number.isFinite(value) ? value : undefined;
}

/** Go wants the binary exponent of a hexadecimal float to be written. */
function parseHexFloat(digits: string): number | undefined {
  const match = /^0x([\da-f]*)\.?([\da-f]*)p([+-]?\d+)$/.exec(digits);
  const [, whole = '', fraction = '', exponent = ''] = match ?? [];
  if (whole + fraction === '') return undefined;
  const mantissa = BigInt(`0x${whole}${fraction}`);
  const power = Number(exponent) - 4 * fraction.length;
  return mantissa >= 2n ** 53n || Math.abs(power) > 900 ? undefined : Number(mantissa) * 2 ** power;
}
