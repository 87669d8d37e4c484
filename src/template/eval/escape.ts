// The escapers html, js and urlquery.

import { isPrintable } from '../format/quote.ts';
import { isInvalidByte, toBytes } from '../value/go-string.ts';

const HTML: ReadonlyMap<string, string> = new Map([
  ['"', '&#34;'],
  ["'", '&#39;'],
  ['&', '&amp;'],
  ['<', '&lt;'],
  ['>', '&gt;'],
]);
const JS: ReadonlyMap<string, string> = new Map([
  ['\\', '\\\\'],
  ["'", "\\'"],
  ['"', '\\"'],
  ['<', '\\u003C'],
  ['>', '\\u003E'],
  ['&', '\\u0026'],
  ['=', '\\u003D'],
]);

export function escapeHtml(text: string): string {
  return text.replaceAll('\0', '\ufffd').replace(/["'&<>]/g, (char) => HTML.get(char) ?? char);
}

export function escapeJs(text: string): string {
  return text.replace(/[\\'"<>&=]|[^ -\u007f]/gu, (char) => {
    const known = JS.get(char);
    if (known !== undefined) return known;
    const code = (char.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, '0');
    return isPrintable(char) || isInvalidByte(char) ? char : `\\u${code}`;
  });
}

/** As in the query of a URL: a space is a plus. */
export function escapeQuery(text: string): string {
  let escaped = '';
  for (const byte of toBytes(text)) {
    const char = String.fromCharCode(byte);
    if (/[A-Za-z0-9_.~-]/.test(char)) escaped += char;
    else if (byte === 0x20) escaped += '+';
    else escaped += `%${byte.toString(16).toUpperCase().padStart(2, '0')}`;
  }
  return escaped;
}
