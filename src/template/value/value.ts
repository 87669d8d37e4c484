// A Go value inside the evaluator: its type, its data, where it comes from, and whether Go could
// take its address, which decides which methods it has.

import type { JsonObject } from '../json-value.ts';
import { byteLength } from './go-string.ts';
import { BOOL, type GoType, goType, INT, INVALID, STRING } from './go-type.ts';
import type { Origin } from './origin.ts';

/**
 * By kind, `data` is: string, boolean, bigint (every integer), number (float64), SliceData or null,
 * JsonObject or null (map), the pointee or null (pointer), JsonObject or a decoded struct.
 * The invalid value is what a missing map key gives: it prints as `<no value>`.
 */
export type Value = {
  readonly type: GoType;
  readonly data: unknown;
  readonly origin: Origin;
  readonly addressable: boolean;
};

const LARGE = 256;
const largeMaps = new WeakMap<JsonObject, number>();

/** A Go slice: a window of an array, which `slice` may widen up to `limit`. */
export type SliceData = {
  readonly array: readonly Value[];
  readonly from: number;
  readonly to: number;
  readonly limit: number;
};

export function value(type: GoType, data: unknown, origin: Origin): Value {
  return { type, data, origin, addressable: false };
}

export function invalidValue(origin: Origin): Value {
  return value(INVALID, undefined, origin);
}

export function stringValue(text: string, origin: Origin): Value {
  return value(STRING, text, origin);
}

export function boolValue(truth: boolean, origin: Origin): Value {
  return value(BOOL, truth, origin);
}

export function intValue(number: number | bigint, origin: Origin): Value {
  return value(INT, BigInt(number), origin);
}

export function withOrigin(of: Value, origin: Origin): Value {
  return origin === of.origin ? of : { ...of, origin };
}

/** A pointer to a value that has an address. */
export function pointerTo(pointee: Value): Value {
  return value(goType(`*${pointee.type.name}`), pointee, pointee.origin);
}

export function isInvalid(of: Value): boolean {
  return of.type === INVALID;
}

/** True of a nil pointer, slice or map, and of the invalid value. */
export function isNil(of: Value): boolean {
  return of.data === null || isInvalid(of);
}

export function isInteger(of: Value): boolean {
  const { kind } = of.type;
  return kind === 'int' || kind === 'int32' || kind === 'int64' || kind === 'uint8';
}

/** What a pointer points at; the pointer itself when it is nil. */
export function indirect(of: Value): Value {
  return of.type.kind === 'pointer' && of.data !== null ? (of.data as Value) : of;
}

export function textOf(of: Value): string {
  return of.data as string;
}

export function integerOf(of: Value): bigint {
  return of.data as bigint;
}

/** Counted once where counting is slow: a template may ask in a loop. */
function sizeOf(map: JsonObject): number {
  const known = largeMaps.get(map);
  if (known !== undefined) return known;
  const size = Object.keys(map).length;
  if (size >= LARGE) largeMaps.set(map, size);
  return size;
}

/** Go's len of a string, slice or map. */
export function lengthOf(of: Value): number {
  if (of.data === null) return 0;
  if (of.type.kind === 'string') return byteLength(textOf(of));
  if (of.type.kind === 'map') return sizeOf(of.data as JsonObject);
  const { from, to } = of.data as SliceData;
  return to - from;
}

/** Go's truth: not the zero of the type; a struct is always true. */
export function isTrue(of: Value): boolean {
  switch (of.type.kind) {
    case 'invalid':
      return false;
    case 'struct':
      return true;
    case 'slice':
    case 'map':
    case 'string':
      return lengthOf(of) > 0;
    case 'pointer':
      return of.data !== null;
    case 'bool':
      return of.data === true;
    case 'float64':
      return of.data !== 0;
    case 'int':
    case 'int32':
    case 'int64':
    case 'uint8':
      return of.data !== 0n;
  }
}
