// The part of JSON Patch (RFC 6902) that injection needs. There is only `add`: what an author wrote
// is never replaced or removed, and the type says so.

import { type CodedError, invalid } from '../base/errors.ts';
import { isJsonObject, type JsonValue, ownValue } from '../template/json-value.ts';
import { formatPointer, type JsonPath, parsePointer, quote } from './json-path.ts';

export type JsonPatchOperation = {
  readonly op: 'add';
  readonly path: string;
  readonly value: JsonValue;
};

/** Operations that append `items` to the list at `path`, which they make when it is not there. */
export function appendTo(
  path: JsonPath,
  list: readonly JsonValue[] | undefined,
  items: readonly JsonValue[],
): readonly JsonPatchOperation[] {
  if (items.length === 0) return [];
  if (list === undefined) return [{ op: 'add', path: formatPointer(path), value: items }];
  return items.map((value) => ({ op: 'add', path: formatPointer([...path, '-']), value }));
}

/**
 * The document with the patch applied, all or nothing; `document` itself stays as it is. Throws
 * `invalid-argument` naming the path that does not exist.
 */
export function applyPatch(document: JsonValue, patch: readonly JsonPatchOperation[]): JsonValue {
  return patch.reduce((patched, operation) => {
    return add({ target: patched, tokens: parsePointer(operation.path) }, operation);
  }, document);
}

type Place = { readonly target: JsonValue | undefined; readonly tokens: readonly string[] };

function add({ target, tokens }: Place, operation: JsonPatchOperation): JsonValue {
  const [token, ...rest] = tokens;
  if (token === undefined) return operation.value;
  if (isJsonObject(target)) {
    const member = { target: ownValue(target, token), tokens: rest };
    // A computed name makes an own property, even when it is `__proto__`.
    return { ...target, [token]: add(member, operation) };
  }
  if (!Array.isArray(target)) throw missing(operation);
  const items: readonly JsonValue[] = target;
  if (rest.length === 0) {
    const index = token === '-' ? items.length : parseIndex(token);
    if (index > items.length) throw missing(operation);
    return items.toSpliced(index, 0, operation.value);
  }
  const index = parseIndex(token);
  if (index >= items.length) throw missing(operation);
  return items.with(index, add({ target: items[index], tokens: rest }, operation));
}

/** An array index without leading zeros (RFC 6901 §4); infinity when it is none. */
function parseIndex(token: string): number {
  return /^(0|[1-9][0-9]*)$/.test(token) ? Number(token) : Number.POSITIVE_INFINITY;
}

function missing({ path }: JsonPatchOperation): CodedError {
  return invalid(`${quote(path)}: no such place in the document`);
}
