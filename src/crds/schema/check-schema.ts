// What the API server says of an object before any webhook sees it, for where there is no API
// server: files on a laptop and in continuous integration. Rules in CEL are left to the parsers.

import {
  isJsonObject,
  type JsonObject,
  type JsonValue,
  ownValue,
} from '../../template/json-value.ts';
import { clip } from '../clip.ts';
import { rfc3339Time } from '../rfc3339.ts';
import type { StructuralSchema } from './structural-schema.ts';

export type SchemaFindings = {
  readonly errors: readonly string[];
  /** Fields that the schema does not know: the API server drops them. */
  readonly pruned: readonly string[];
};

/** What is shown of one object; a list of a million wrong items is said in a few. */
const MAX_FINDINGS = 50;
const NAMES: { readonly [type in StructuralSchema['type']]: string } = {
  object: 'an object',
  array: 'a list',
  string: 'a string',
  integer: 'a whole number',
  boolean: 'true or false',
};

/** Checks `value`, which stands at `field` ('' for a whole object). Never throws. */
export function checkSchema(
  schema: StructuralSchema,
  value: JsonValue | undefined,
  field: string,
): SchemaFindings {
  const check = new Check();
  check.value(schema, value ?? null, field);
  return { errors: check.errors, pruned: check.pruned };
}

class Check {
  readonly errors: string[] = [];
  readonly pruned: string[] = [];

  value(schema: StructuralSchema, value: JsonValue, field: string): void {
    if (this.errors.length >= MAX_FINDINGS) return;
    if (!isOfType(schema.type, value)) {
      this.#fail(field, `must be ${NAMES[schema.type]}`);
    } else if (isJsonObject(value)) {
      this.#object(schema, value, field);
    } else if (Array.isArray(value)) {
      this.#list(schema, value, field);
    } else if (typeof value === 'string') {
      this.#text(schema, value, field);
    } else if (typeof value === 'number') {
      const { minimum, maximum } = schema;
      if (minimum !== undefined && value < minimum)
        this.#fail(field, `must be at least ${minimum}`);
      if (maximum !== undefined && value > maximum) this.#fail(field, `must be at most ${maximum}`);
    }
  }

  #object(schema: StructuralSchema, object: JsonObject, field: string): void {
    const { properties, additionalProperties, maxProperties = Number.POSITIVE_INFINITY } = schema;
    for (const name of schema.required ?? []) {
      if ((ownValue(object, name) ?? null) === null) this.#fail(join(field, name), 'must be set');
    }
    const names = Object.keys(object);
    if (names.length > maxProperties)
      this.#fail(field, `must have at most ${maxProperties} entries`);
    // `metadata`: the API server checks it against a schema of its own.
    if (properties === undefined && additionalProperties === undefined) return;
    for (const name of names) {
      const own = properties !== undefined && Object.hasOwn(properties, name);
      const known = own ? properties[name] : additionalProperties;
      const value = object[name];
      // The API server drops a null where no schema of ours takes one.
      if (value === undefined || value === null) continue;
      if (known !== undefined) this.value(known, value, join(field, name));
      else if (this.pruned.length < MAX_FINDINGS) this.pruned.push(clip(join(field, name)));
    }
  }

  #list(schema: StructuralSchema, list: readonly JsonValue[], field: string): void {
    const { items, minItems = 0, maxItems = Number.POSITIVE_INFINITY } = schema;
    if (list.length < minItems) this.#fail(field, `must have at least ${minItems} items`);
    if (list.length > maxItems) this.#fail(field, `must have at most ${maxItems} items`);
    if (items === undefined) return;
    for (const [index, item] of list.entries()) this.value(items, item, `${field}[${index}]`);
  }

  #text(schema: StructuralSchema, text: string, field: string): void {
    const { minLength = 0, maxLength = Number.POSITIVE_INFINITY, pattern } = schema;
    const { length } = Array.from(text);
    if (length < minLength) {
      this.#fail(
        field,
        minLength === 1 ? 'must not be empty' : `must have ${minLength} characters`,
      );
    }
    if (length > maxLength) this.#fail(field, `must have at most ${maxLength} characters`);
    if (schema.enum !== undefined && !schema.enum.includes(text)) {
      this.#fail(field, `must be one of ${schema.enum.join(', ')}`);
    }
    // Unanchored, as the API server has it.
    if (pattern !== undefined && !new RegExp(pattern, 'u').test(text)) {
      this.#fail(field, `must match ${pattern}`);
    }
    if (schema.format === 'date-time' && rfc3339Time(text) === undefined) {
      this.#fail(field, 'must be a time such as 2026-01-31T12:00:00Z');
    }
  }

  #fail(field: string, rule: string): void {
    if (this.errors.length < MAX_FINDINGS) this.errors.push(clip(`${field || 'object'}: ${rule}`));
  }
}

function isOfType(type: StructuralSchema['type'], value: JsonValue): boolean {
  switch (type) {
    case 'object':
      return isJsonObject(value);
    case 'array':
      return Array.isArray(value);
    case 'integer':
      return Number.isSafeInteger(value);
    case 'string':
    case 'boolean':
      return typeof value === type;
  }
}

function join(field: string, name: string): string {
  if (!/^[A-Za-z][\w-]*$/.test(name)) return `${field}[${JSON.stringify(name.slice(0, 64))}]`;
  return field === '' ? name : `${field}.${name}`;
}
