// Go's quoted strings and characters (strconv.Quote and its relatives).

import { isInvalidByte } from '../value/go-string.ts';

const SIMPLE: ReadonlyMap<number, string> = new Map([
  [0x07, '\\a'],
  [0x08, '\\b'],
  [0x0c, '\\f'],
  [0x0a, '\\n'],
  [0x0d, '\\r'],
  [0x09, '\\t'],
  [0x0b, '\\v'],
  [0x5c, '\\\\'],
]);
const PRINTABLE = /^[\p{L}\p{M}\p{N}\p{P}\p{S} ]$/u;

export function isPrintable(char: string): boolean {
  return PRINTABLE.test(char);
}

/** A double-quoted Go string; with `toAscii` everything beyond ASCII is escaped. */
export function quoteString(text: string, toAscii: boolean): string {
  let body = '';
  for (const char of text) body += escapeChar(char, '"', toAscii);
  return `"${body}"`;
}

/** A single-quoted Go character; what is no character becomes U+FFFD. */
export function quoteChar(code: bigint, toAscii: boolean): string {
  return `'${escapeChar(charOf(code), "'", toAscii)}'`;
}

/** The character of a code point, U+FFFD for what is none. */
export function charOf(code: bigint): string {
  const isChar = code >= 0n && code <= 0x10ffffn && !(code >= 0xd800n && code <= 0xdfffn);
  return isChar ? String.fromCodePoint(Number(code)) : '\ufffd';
}

/** Whether `text` can be a raw string: no control characters but tab, no back quote. */
export function canBackquote(text: string): boolean {
  for (const char of text) {
    const code = char.codePointAt(0) ?? 0;
    if (isInvalidByte(char) || code === 0xfeff || code === 0x7f || code === 0x60) return false;
    if (code < 0x20 && code !== 0x09) return false;
  }
  return true;
}

function escapeChar(char: string, quote: string, toAscii: boolean): string {
  const code = char.codePointAt(0) ?? 0;
  if (isInvalidByte(char)) return `\\x${hex(code & 0xff, 2)}`;
  if (char === quote) return `\\${quote}`;
  const simple = SIMPLE.get(code);
  if (simple !== undefined) return simple;
  if ((code < 0x80 || !toAscii) && isPrintable(char)) return char;
  if (code < 0x20 || code === 0x7f) return `\\x${hex(code, 2)}`;
  return code < 0x10000 ? `\\u${hex(code, 4)}` : `\\U${hex(code, 8)}`;
}

function hex(code: number, digits: number): string {
  return code.toString(16).padStart(digits, '0');
}
