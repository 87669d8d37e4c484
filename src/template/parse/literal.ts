// The values that Go's quoted strings, raw strings and character constants stand for.

import { goString, joinBytes } from '../value/go-string.ts';

const ESCAPES: ReadonlyMap<string, string> = new Map([
  ['a', '\u0007'],
  ['b', '\b'],
  ['f', '\f'],
  ['n', '\n'],
  ['r', '\r'],
  ['t', '\t'],
  ['v', '\v'],
  ['\\', '\\'],
]);
const ESCAPE =
  /\\(?:x([\da-fA-F]{2})|u([\da-fA-F]{4})|U([\da-fA-F]{8})|([0-7]{3})|([abfnrtv\\'"]))/y;

/** The value of a quoted or raw string token, its quotes included; undefined when malformed. */
export function unquoteString(token: string): string | undefined {
  const quote = token.charAt(0);
  const body = token.slice(1, -1);
  if (quote === '`') return goString(body.replaceAll('\r', ''));
  const parts: string[] = [];
  for (let at = 0; at < body.length; ) {
    const unit = readUnit(body, at, quote);
    if (unit === undefined) return undefined;
    parts.push(typeof unit.value === 'string' ? unit.value : byteText(unit.value));
    at += unit.length;
  }
  return joinBytes(parts);
}

/** The code point of a character constant token; undefined when it is not exactly one. */
export function unquoteChar(token: string): number | undefined {
  const body = token.slice(1, -1);
  const unit = readUnit(body, 0, "'");
  if (unit === undefined || unit.length !== body.length) return undefined;
  return typeof unit.value === 'string' ? unit.value.codePointAt(0) : unit.value;
}

/** A character as text, or a byte written as \x or \NNN as its number. */
type Unit = { readonly value: string | number; readonly length: number };

function readUnit(body: string, at: number, quote: string): Unit | undefined {
  if (at >= body.length) return undefined;
  if (body.charAt(at) !== '\\') {
    const value = goString(String.fromCodePoint(body.codePointAt(at) ?? 0));
    return { value, length: value.length };
  }
  ESCAPE.lastIndex = at;
  const match = ESCAPE.exec(body);
  if (match === null) return undefined;
  const [all, hexByte, short, long, octal, simple] = match;
  const length = all.length;
  if (simple !== undefined) {
    const value = ESCAPES.get(simple) ?? (simple === quote ? simple : undefined);
    return value === undefined ? undefined : { value, length };
  }
  const code =
    octal === undefined
      ? Number.parseInt(hexByte ?? short ?? long ?? '', 16)
      : Number.parseInt(octal, 8);
  if (hexByte !== undefined || octal !== undefined) {
    return code > 0xff ? undefined : { value: code, length };
  }
  if (code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff)) return undefined;
  return { value: String.fromCodePoint(code), length };
}

/** One byte as a Go string; only those below 0x80 are a character of their own. */
function byteText(byte: number): string {
  return String.fromCharCode(byte < 0x80 ? byte : 0xdc00 + byte);
}
