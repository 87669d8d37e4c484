// Reads the fields of an object from outside, one rule at a time, and collects what is wrong: a user
// sees every mistake at once, each with the name of its field.

import { CodedError, invalid } from '../base/errors.ts';
import { isJsonObject, type JsonObject, type JsonValue, ownValue } from '../template/json-value.ts';
import { clip } from './clip.ts';
import type { ParseResult, PolicyMeta } from './parse-result.ts';
import { rfc3339Time } from './rfc3339.ts';

/** What is said of one object; a list of a million wrong items is said in a few. */
const MAX_ERRORS = 50;

/** What a value must be, as a test and in words. */
type ValueType = { readonly rule: string; readonly is: (value: JsonValue) => boolean };

const TEXT: ValueType = { rule: 'must be a string', is: (value) => typeof value === 'string' };
const BOOLEAN: ValueType = {
  rule: 'must be true or false',
  is: (value) => typeof value === 'boolean',
};
const INTEGER: ValueType = { rule: 'must be a whole number', is: Number.isSafeInteger };
const TEXTS: ValueType = {
  rule: 'must be a list of strings',
  is: (value) => Array.isArray(value) && value.every((item) => typeof item === 'string'),
};

export class FieldReader {
  readonly #object: JsonObject;
  readonly #at: string;
  readonly #errors: string[];

  constructor(object: JsonObject, at: string, errors: string[] = []) {
    this.#object = object;
    this.#at = at;
    this.#errors = errors;
  }

  get errors(): readonly string[] {
    return this.#errors;
  }

  /** A reader for an object in a field; an empty one when the field is absent. */
  object(key: string): FieldReader {
    const value = this.#value(key);
    if (value !== undefined && !isJsonObject(value)) this.#wrong(key, 'must be an object');
    return new FieldReader(isJsonObject(value) ? value : {}, this.#name(key), this.#errors);
  }

  has(key: string): boolean {
    return this.#value(key) !== undefined;
  }

  text(key: string): string {
    return this.#typed(key, '', TEXT);
  }

  boolean(key: string): boolean {
    return this.#typed(key, false, BOOLEAN);
  }

  integer(key: string): number {
    return this.#typed(key, 0, INTEGER);
  }

  texts(key: string): readonly string[] {
    return this.#typed<readonly string[]>(key, [], TEXTS);
  }

  entries(key: string): readonly (readonly [string, string])[] {
    const value = this.#value(key) ?? {};
    const isMap =
      isJsonObject(value) && Object.values(value).every((item) => typeof item === 'string');
    if (!isMap) this.#wrong(key, 'must be a map of strings');
    return isMap ? (Object.entries(value) as [string, string][]) : [];
  }

  raw(key: string): JsonValue | undefined {
    return this.#value(key);
  }

  required(key: string): string {
    const value = this.text(key);
    const isText = typeof (this.#value(key) ?? '') === 'string';
    if (isText && value === '') this.#wrong(key, 'must be set');
    return value;
  }

  /** What `parse` makes of a field; a CodedError it throws becomes an error of that field. */
  parsed<T>(key: string, fallback: T, parse: (field: string) => T): T {
    try {
      return parse(this.#name(key));
    } catch (thrown) {
      const { code, message } = CodedError.from(thrown);
      if (code !== 'invalid-argument') throw thrown;
      const name = this.#name(key);
      const rule = message.startsWith(`${key}: `) ? message.slice(key.length + 2) : message;
      this.#push(rule.startsWith(name) ? rule : `${name}: ${rule}`);
      return fallback;
    }
  }

  fail(key: string, rule: string): void {
    this.#wrong(key, rule);
  }

  #typed<T>(key: string, fallback: T, { rule, is }: ValueType): T {
    const value = this.#value(key);
    if (value === undefined) return fallback;
    if (is(value)) return value as T;
    this.#wrong(key, rule);
    return fallback;
  }

  // An explicit null is an absent field, as the API server has it.
  #value(key: string): JsonValue | undefined {
    return ownValue(this.#object, key) ?? undefined;
  }

  #name(key: string): string {
    return this.#at === '' ? key : `${this.#at}.${key}`;
  }

  #wrong(key: string, rule: string): void {
    this.#push(`${this.#name(key)}: ${rule}`);
  }

  #push(error: string): void {
    if (this.#errors.length < MAX_ERRORS) this.#errors.push(clip(error));
  }
}

/** Parses one object: `read` gets readers for metadata and spec. Never throws for its content. */
export function parseObject<T>(
  object: JsonValue | undefined,
  read: (meta: PolicyMeta, spec: FieldReader) => T,
): ParseResult<T> {
  if (object === undefined || !isJsonObject(object)) {
    return { value: undefined, errors: ['not an object'], warnings: [] };
  }
  const reader = new FieldReader(object, '');
  const metadata = reader.object('metadata');
  const value = read(readMeta(metadata), reader.object('spec'));
  const { errors } = reader;
  return { value: errors.length === 0 ? value : undefined, errors, warnings: [] };
}

function readMeta(metadata: FieldReader): PolicyMeta {
  const name = metadata.required('name');
  return {
    name,
    // Objects in files have no UID yet; a name is unique among cluster-scoped objects of a kind.
    uid: metadata.text('uid') || name,
    generation: metadata.integer('generation'),
    creationTimestamp: metadata.parsed('creationTimestamp', 0, (field) =>
      parseTime(metadata.text('creationTimestamp'), field),
    ),
    isDeleting: metadata.has('deletionTimestamp'),
  };
}

/** Milliseconds since the epoch of an RFC 3339 time; '' is 0. */
export function parseTime(text: string, field: string): number {
  if (text === '') return 0;
  const time = rfc3339Time(text);
  if (time === undefined) {
    throw invalid(`${field}: "${text}" is not a time such as 2026-01-31T12:00:00Z`);
  }
  return time;
}
