// JSON from outside, read so that it means one thing only: a name given twice is refused instead of
// the last one winning, depth and size are bounded, and objects are Maps, in which `__proto__` and
// `constructor` are names like any other (RFC 8259 §4, §9).

import { type CodedError, invalid } from '../base/errors.ts';

export type JsonValue = null | boolean | number | string | readonly JsonValue[] | JsonObject;
export type JsonObject = ReadonlyMap<string, JsonValue>;

export const MAX_JSON_DEPTH = 16;

export type JsonLimits = {
  /** What is read, for messages. */
  readonly field: string;
  readonly maxBytes: number;
};

/** Reads one JSON text in UTF-8. Throws `invalid-argument` naming the field, rule and offset. */
export function parseStrictJson(bytes: Uint8Array, limits: JsonLimits): JsonValue {
  const { field, maxBytes } = limits;
  if (bytes.length > maxBytes) throw invalid(`${field}: ${bytes.length} bytes exceed ${maxBytes}`);
  const parser = new JsonParser(decodeUtf8(bytes, field), field);
  return parser.text();
}

/** The same for a text that must be an object. */
export function parseStrictJsonObject(bytes: Uint8Array, limits: JsonLimits): JsonObject {
  const value = parseStrictJson(bytes, limits);
  if (!(value instanceof Map)) throw invalid(`${limits.field}: not a JSON object`);
  return value;
}

function decodeUtf8(bytes: Uint8Array, field: string): string {
  try {
    // A byte order mark stays and is then no JSON (RFC 8259 §8.1).
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch (thrown) {
    throw invalid(`${field}: not UTF-8`, thrown);
  }
}

const SPACE = /[ \t\n\r]*/y;
const NUMBER = /-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?/y;
const LITERALS: ReadonlyMap<string, JsonValue> = new Map<string, JsonValue>([
  ['true', true],
  ['false', false],
  ['null', null],
]);

class JsonParser {
  readonly #text: string;
  readonly #field: string;
  #at = 0;

  constructor(text: string, field: string) {
    this.#text = text;
    this.#field = field;
  }

  text(): JsonValue {
    const value = this.#value(0);
    this.#match(SPACE);
    if (this.#at < this.#text.length) throw this.#bad('has more than one value');
    return value;
  }

  #value(depth: number): JsonValue {
    this.#match(SPACE);
    switch (this.#text.charAt(this.#at)) {
      case '{':
        return this.#object(depth + 1);
      case '[':
        return this.#array(depth + 1);
      case '"':
        return this.#string();
      default:
        return this.#scalar();
    }
  }

  #object(depth: number): JsonObject {
    const members = new Map<string, JsonValue>();
    this.#open(depth);
    if (this.#takes('}')) return members;
    do {
      this.#match(SPACE);
      const name = this.#string();
      if (members.has(name)) throw this.#bad('has a name twice');
      if (!this.#takes(':')) throw this.#bad('is not JSON');
      members.set(name, this.#value(depth));
    } while (this.#takes(','));
    if (!this.#takes('}')) throw this.#bad('is not JSON');
    return members;
  }

  #array(depth: number): readonly JsonValue[] {
    const items: JsonValue[] = [];
    this.#open(depth);
    if (this.#takes(']')) return items;
    do items.push(this.#value(depth));
    while (this.#takes(','));
    if (!this.#takes(']')) throw this.#bad('is not JSON');
    return items;
  }

  #string(): string {
    const from = this.#at;
    if (this.#text[from] !== '"') throw this.#bad('is not JSON');
    const to = this.#closingQuote(from);
    if (to === -1) throw this.#bad('has a string without an end');
    this.#at = to + 1;
    const text = this.#unescape(this.#text.slice(from, this.#at));
    if (!text.isWellFormed()) throw this.#bad('has half of a surrogate pair');
    return text;
  }

  /** The offset of the quote that ends the string opened at `from`; -1 without one. */
  #closingQuote(from: number): number {
    let quote = this.#text.indexOf('"', from + 1);
    while (quote !== -1) {
      let backslashes = 0;
      while (this.#text[quote - 1 - backslashes] === '\\') backslashes += 1;
      if (backslashes % 2 === 0) return quote;
      quote = this.#text.indexOf('"', quote + 1);
    }
    return quote;
  }

  #unescape(token: string): string {
    try {
      return JSON.parse(token) as string;
    } catch {
      throw this.#bad('has a malformed string');
    }
  }

  #scalar(): JsonValue {
    for (const [literal, value] of LITERALS) {
      if (this.#text.startsWith(literal, this.#at)) {
        this.#at += literal.length;
        return value;
      }
    }
    const token = this.#match(NUMBER);
    if (token === '') throw this.#bad('is not JSON');
    const number = Number(token);
    if (!Number.isFinite(number)) throw this.#bad('has a number out of range');
    return number;
  }

  #open(depth: number): void {
    if (depth > MAX_JSON_DEPTH) throw this.#bad(`is deeper than ${MAX_JSON_DEPTH}`);
    this.#at += 1;
  }

  /** Whether this punctuation is next; then it is behind us. */
  #takes(character: string): boolean {
    this.#match(SPACE);
    if (this.#text[this.#at] !== character) return false;
    this.#at += 1;
    return true;
  }

  #match(pattern: RegExp): string {
    pattern.lastIndex = this.#at;
    const [token = ''] = pattern.exec(this.#text) ?? [];
    this.#at += token.length;
    return token;
  }

  #bad(rule: string): CodedError {
    return invalid(`${this.#field}: ${rule} at offset ${this.#at}`);
  }
}
