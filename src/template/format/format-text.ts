// Strings as fmt prints them.

import { toBytes } from '../value/go-string.ts';
import { type Flags, pad } from './flags.ts';
import { canBackquote, quoteString } from './quote.ts';

/** A string by verb s, v, q, x or X; undefined for any other verb. */
export function formatText(text: string, verb: string, flags: Flags): string | undefined {
  switch (verb) {
    case 'v':
      return flags.sharpV ? quoted(text, flags) : pad(truncate(text, flags), flags);
    case 's':
      return pad(truncate(text, flags), flags);
    case 'q':
      return quoted(text, flags);
    case 'x':
      return hexadecimal(text, flags);
    case 'X':
      return hexadecimal(text, flags).toUpperCase();
    default:
      return undefined;
  }
}

function quoted(text: string, flags: Flags): string {
  const shown = truncate(text, flags);
  if (flags.sharp && canBackquote(shown)) return pad(`\`${shown}\``, flags);
  return pad(quoteString(shown, flags.plus), flags);
}

/** The first characters of the text, as many as the precision. */
function truncate(text: string, flags: Flags): string {
  if (flags.precision === undefined || text.length <= flags.precision) return text;
  let shown = '';
  let count = 0;
  for (const char of text) {
    if (count === flags.precision) break;
    shown += char;
    count += 1;
  }
  return shown;
}

/** The bytes of the text; the precision counts bytes. */
function hexadecimal(text: string, flags: Flags): string {
  const bytes = [...toBytes(truncate(text, flags)).subarray(0, flags.precision)];
  if (bytes.length === 0) return pad('', flags);
  const prefix = flags.sharp ? '0x' : '';
  const digits = bytes.map((byte) => byte.toString(16).padStart(2, '0'));
  return pad(prefix + digits.join(flags.space ? ` ${prefix}` : ''), flags);
}
