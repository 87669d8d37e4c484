// JSON of a request body with its depth bounded first, so that what walks the value later cannot run
// out of stack. Names such as `__proto__` become own properties, and are read as such only.

import { invalid } from '../../base/errors.ts';
import type { JsonValue } from '../../template/json-value.ts';

/** Objects nest some twenty deep, their managed fields included. */
export const MAX_JSON_DEPTH = 100;

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
// `{` and `[`, `}` and `]` differ in this bit only.
const CURLY = 0x20;
const OPEN = 0x5b;
const CLOSE = 0x5d;

/** Reads one JSON text in UTF-8; throws `invalid-argument`, and quotes nothing of it. */
export function parseBoundedJson(bytes: Uint8Array): JsonValue {
  if (isDeeperThan(bytes, MAX_JSON_DEPTH)) throw invalid(`body: deeper than ${MAX_JSON_DEPTH}`);
  try {
    const text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
    return JSON.parse(text) as JsonValue;
  } catch {
    throw invalid('body: not JSON in UTF-8');
  }
}

/** For JSON; of anything else it says something, and the parser refuses that. */
function isDeeperThan(bytes: Uint8Array, max: number): boolean {
  let depth = 0;
  let isInString = false;
  for (let at = 0; at < bytes.length; at += 1) {
    const byte = bytes[at] ?? 0;
    if (isInString) {
      if (byte === BACKSLASH) at += 1;
      else if (byte === QUOTE) isInString = false;
    } else if (byte === QUOTE) {
      isInString = true;
    } else if ((byte & ~CURLY) === OPEN) {
      depth += 1;
      if (depth > max) return true;
    } else if ((byte & ~CURLY) === CLOSE) {
      depth -= 1;
    }
  }
  return false;
}
