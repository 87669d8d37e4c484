// Go strings are bytes; ours are JS strings, in which a byte that belongs to no valid UTF-8
// sequence is the lone surrogate U+DC00 + byte. A high surrogate is never alone, so the two
// meanings of a low one cannot be confused, and valid text costs nothing.

const ESCAPE = 0xdc00;
/** Under the u flag a surrogate of a pair does not match. */
const LONE_BYTE = /([\udc80-\udcff])/u;

/** Text from outside; lone surrogates become U+FFFD, as Go's JSON decoder has them. */
export function goString(text: string): string {
  return text.isWellFormed() ? text : text.toWellFormed();
}

export function isAscii(text: string): boolean {
  return Buffer.byteLength(text) === text.length;
}

/** Go's len. */
export function byteLength(text: string): number {
  const length = Buffer.byteLength(text);
  return length === text.length || text.isWellFormed() ? length : toBytes(text).length;
}

export function toBytes(text: string): Uint8Array {
  if (text.isWellFormed()) return Buffer.from(text);
  const parts = text.split(LONE_BYTE);
  return Buffer.concat(
    parts.map((part, index) =>
      index % 2 === 1 ? Uint8Array.of(part.charCodeAt(0) - ESCAPE) : Buffer.from(part),
    ),
  );
}

export function fromBytes(bytes: Uint8Array): string {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  let text = '';
  let validFrom = 0;
  for (let at = 0; at < bytes.length; ) {
    const size = sequenceLength(bytes, at);
    if (size === 0) {
      const escape = String.fromCharCode(ESCAPE + (bytes[at] ?? 0));
      text += buffer.toString('utf8', validFrom, at) + escape;
      validFrom = at + 1;
    }
    at += Math.max(1, size);
  }
  return text + buffer.toString('utf8', validFrom);
}

/** Joins bytes: halves of one character that meet become that character. */
export function joinBytes(parts: readonly string[]): string {
  const text = parts.join('');
  return text.isWellFormed() ? text : fromBytes(toBytes(text));
}

/** The bytes `from` to `to`; callers have checked the bounds. */
export function sliceBytes(text: string, from: number, to: number): string {
  if (isAscii(text)) return text.slice(from, to);
  return fromBytes(toBytes(text).subarray(from, to));
}

export function byteAt(text: string, index: number): number {
  return isAscii(text) ? text.charCodeAt(index) : (toBytes(text)[index] ?? 0);
}

/** Go's order of strings: by byte, which differs from JS beyond the basic plane. */
export function compareBytes(a: string, b: string): number {
  if (isAscii(a) && isAscii(b)) {
    if (a === b) return 0;
    return a < b ? -1 : 1;
  }
  return Buffer.compare(toBytes(a), toBytes(b));
}

/** True of one element of iterating a Go string that stands for a byte outside UTF-8. */
export function isInvalidByte(char: string): boolean {
  return char.length === 1 && LONE_BYTE.test(char);
}

/** Length of the valid UTF-8 sequence at `at` (Unicode, table 3-7), or 0. */
function sequenceLength(bytes: Uint8Array, at: number): number {
  const lead = bytes[at] ?? 0;
  if (lead < 0x80) return 1;
  if (lead < 0xc2 || lead > 0xf4) return 0;
  const size = lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
  const lowest = lead === 0xe0 ? 0xa0 : lead === 0xf0 ? 0x90 : 0x80;
  const highest = lead === 0xed ? 0x9f : lead === 0xf4 ? 0x8f : 0xbf;
  const second = bytes[at + 1] ?? 0;
  if (second < lowest || second > highest) return 0;
  for (let next = at + 2; next < at + size; next++) {
    const byte = bytes[next] ?? 0;
    if (byte < 0x80 || byte > 0xbf) return 0;
  }
  return size;
}
